//! Our proto files against the reference's tables: every rpc, message, field and enum of Micro's is there by its number.

use micro_wire::upstream::{self, upstream};

#[test]
fn every_rpc_of_micros_is_ours() {
    let (table, mut seen) = (upstream(), 0);
    for (package, rows) in table.served() {
        for (name, listed) in rows {
            let Some(rpc) = name.strip_prefix("rpc ") else { continue };
            let ours = upstream::rpc(package, rpc);
            assert_eq!(ours.as_deref(), Some(listed.as_str()), "{package}.{rpc}");
            seen += 1;
        }
    }
    assert_eq!(seen, 56, "rpcs of the reference");
}

#[test]
fn every_message_of_micros_has_its_fields_and_ours_take_no_number_of_theirs() {
    let table = upstream();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (package, rows) in table.served() {
        let messages = rows.iter().filter(|(name, _)| !name.contains(' '));
        for (name, listed) in messages {
            seen += 1;
            let Some(message) = upstream::message(package, name) else {
                wrong.push(format!("{package}.{name} is not there"));
                continue;
            };
            let ours = upstream::fields(message);
            let later = table.later.get(package).and_then(|p| p.get(name));
            let later = upstream::listed(later.map_or("", String::as_str));
            for theirs in upstream::listed(listed) {
                if !ours.contains(&theirs) {
                    wrong.push(format!("{package}.{name}: {theirs} is not in {ours:?}"));
                }
            }
            for theirs in later {
                let number = theirs.split(' ').next().unwrap_or_default();
                let taken = ours.iter().find(|o| o.split(' ').next() == Some(number));
                if taken.is_some_and(|taken| *taken != theirs) {
                    wrong.push(format!(
                        "{package}.{name}: {taken:?} has the number of a later {theirs}"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(seen, 160, "messages of the reference");
}

#[test]
fn every_enum_of_micros_has_its_words() {
    let (table, mut wrong) = (upstream(), Vec::new());
    for (package, rows) in table.served() {
        for (name, listed) in rows {
            let Some(name) = name.strip_prefix("enum ") else {
                continue;
            };
            match upstream::enumeration(package, name).map(upstream::words) {
                Some(words) if words == *listed => {}
                other => wrong.push(format!("{package}.{name}: {other:?}, not {listed}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
