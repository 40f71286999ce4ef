//! The README's table of engines and methods is what the code says.
//! `UPDATE_README=1 cargo test --package domain --test readme` writes it anew.

use std::fmt::Write;
use std::path::Path;

use domain::offer::{Offer, Proof};
use domain::{BackupKind, Engine, recovery};

const BEGIN: &str =
    "<!-- engines and methods: made from crates/domain/src/offer.rs by crates/domain/tests/readme.rs -->\n";
const END: &str = "<!-- end of engines and methods -->\n";

/// The places of a log at which a restore can stop, beside instants.
const fn places(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgresql => "LSN, transaction, named point",
        Engine::Mysql => "GTID set, file and position",
        Engine::Mariadb => "GTID, file and position",
        Engine::Mssql | Engine::Redis | Engine::Valkey => "",
    }
}

fn point_in_time(offer: &Offer) -> String {
    if !recovery::has_log(offer.engine) {
        return "the engine has none".to_owned();
    }
    if offer.method.kind() == BackupKind::Logical {
        return "no, a dump takes no log".to_owned();
    }
    let any = match recovery::precision_seconds(offer.engine) {
        seconds if seconds < 0.001 => "any microsecond",
        seconds if seconds < 1.0 => "any hundredth of a second",
        _ => "any second",
    };
    let stops = [any, places(offer.engine)];
    stops.into_iter().filter(|stop| !stop.is_empty()).collect::<Vec<_>>().join(", ")
}

fn restore(offer: &Offer) -> &'static str {
    match offer.method.restores_through_server() {
        true => "yes, through the running server",
        false => "yes, by switching the data directory",
    }
}

fn seen(offer: &Offer) -> String {
    let proof = match offer.proof {
        Proof::Versions(versions) => versions.to_owned(),
        Proof::Double => "*tested on a wire-level double*, not on a real server".to_owned(),
        Proof::NotRun => "*not run here*: the tool can't be had for the tests".to_owned(),
    };
    [proof.as_str(), offer.note].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

fn table() -> String {
    let mut table = "| engine | method | kind | types | restore in place, undo | point in time | tested on, notes |\n\
                     | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for engine in Engine::ALL {
        for offer in engine.offers() {
            let types: Vec<&str> = offer.types.iter().map(|one| one.as_str()).collect();
            let cells = [
                engine.title().to_owned(),
                format!("`{}`", offer.method),
                offer.method.kind().to_string(),
                types.join(", "),
                restore(offer).to_owned(),
                point_in_time(offer),
                seen(offer),
            ];
            writeln!(table, "| {} |", cells.join(" | ")).expect("text takes text");
        }
    }
    table
}

#[test]
fn the_table_of_engines_and_methods_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = std::fs::read_to_string(&path).expect("read the README");
    let (before, rest) = text.split_once(BEGIN).expect("the mark at its beginning");
    let (_, after) = rest.split_once(END).expect("the mark at its end");
    let wanted = format!("{before}{BEGIN}\n{}\n{END}{after}", table());
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(&path, &wanted).expect("write the README");
        return;
    }
    assert!(text == wanted, "stale: UPDATE_README=1 cargo test --package domain --test readme writes it anew");
}

#[test]
fn an_engine_names_each_method_once_and_all_say_the_same_of_it() {
    for engine in Engine::ALL {
        let methods: Vec<_> = engine.offers().map(|offer| offer.method).collect();
        let mut unique = methods.clone();
        unique.dedup();
        assert_eq!(methods, unique);
        assert_eq!(methods.first(), Some(&engine.default_method()));
        for offer in engine.offers() {
            assert_eq!(offer.types, offer.method.types(), "{}", offer.method);
        }
    }
}
