//! How numbers are written for people, in one place for web app, command line and messages.

/// A size in binary units with two decimals: `5.00 MiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        // What would be shown as 1024.00 is shown as 1.00 of the next unit.
        if value < 1023.995 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.2} {unit}")
}

/// A duration: `0.4 s`, `34 s`, `2 min 05 s`, `1 h 12 min`, `3 d 4 h`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "–".to_owned();
    }
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3_600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3_600..86_400 => format!("{} h {:02} min", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

/// How long ago something was: `just now`, `5 min ago`, `3 h ago`, `2 days ago`; `in 5 min` for what is to come.
pub fn ago(seconds: i64) -> String {
    let amount = match seconds.unsigned_abs() {
        0..10 => return "just now".to_owned(),
        s @ 10..60 => format!("{s} s"),
        s @ 60..3_600 => format!("{} min", s / 60),
        s @ 3_600..86_400 => format!("{} h", s / 3_600),
        s @ 86_400..172_800 => format!("{} day", s / 86_400),
        s => format!("{} days", s / 86_400),
    };
    if seconds < 0 { format!("in {amount}") } else { format!("{amount} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary_with_two_decimals() {
        for (size, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (5 << 20, "5.00 MiB"),
            ((1 << 20) - 1, "1.00 MiB"),
            (1 << 40, "1.00 TiB"),
            (u64::MAX, "16.00 EiB"),
        ] {
            assert_eq!(bytes(size), text);
        }
    }

    #[test]
    fn durations_and_ages_read_well() {
        for (seconds, text) in
            [(0.44, "0.4 s"), (34.2, "34 s"), (59.6, "1 min 00 s"), (125.0, "2 min 05 s"), (4_320.0, "1 h 12 min")]
        {
            assert_eq!(duration(seconds), text);
        }
        for (seconds, text) in [(3, "just now"), (300, "5 min ago"), (86_400, "1 day ago"), (-300, "in 5 min")] {
            assert_eq!(ago(seconds), text);
        }
    }
}
