//! The option files in which the tools of both take a password. // F-80
//!
//! Rules of `mysys/my_default.c` (MariaDB) and `mysys/my_default.cc` (MySQL): a comment begins at a `#` outside quotes; a value in double quotes loses them; inside, a
//! backslash begins an escape sequence. What is written here reads back as the same bytes.

use domain::Secret;
use process::SecretFile;
use secrecy::SecretString;

/// An option file that holds the password for every client program, and nothing where there is none.
pub(crate) fn client_options(password: Option<&Secret>) -> SecretFile {
    let mut content = String::from("[client]\n");
    if let Some(password) = password {
        content.push_str("password=");
        content.push_str(&quoted(password.expose()));
        content.push('\n');
    }
    SecretFile::new(SecretString::from(content))
}

fn quoted(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for character in value.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{8}' => quoted.push_str("\\b"),
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tools' own parser reads it: `mariadb --print-defaults` shows what it understood.
    #[tokio::test]
    async fn f80_every_password_is_read_as_it_is() {
        for password in [
            "plain",
            r#"p'w"d$(x) :#%\z;\"#,
            " leading and trailing ",
            "#hash",
            "'single'",
            "\"double\"",
            "back\\slash\\n",
            "tab\there",
            "pässwörd ☃",
            "\\",
            "a=b;[client]",
        ] {
            let options = client_options(Some(&Secret::new(password)));
            let output = process::Command::new("my_print_defaults")
                .arg_secret_file("--defaults-file=", options)
                .arg("client")
                .output(&tokio_util::sync::CancellationToken::new())
                .await
                .expect("my_print_defaults");
            assert_eq!(output.stdout, format!("--password={password}\n"));
        }
    }
}
