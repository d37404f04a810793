//! Writes the table of all generated messages, so that none can be forgotten.

use std::{env, fs, path::Path};

fn main() {
    let generated =
        Path::new(&env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../crates/proto/src/gen");
    println!("cargo::rerun-if-changed={}", generated.display());
    let mut packages: Vec<_> = fs::read_dir(&generated)
        .expect("there is generated code")
        .map(|file| file.expect("readable").path())
        .collect();
    packages.sort();
    let mut table = String::from("vec![\n");
    for path in packages {
        let package = path.file_stem().and_then(|s| s.to_str()).expect("a package").to_owned();
        let code = fs::read_to_string(&path).expect("readable");
        let messages = code
            .lines()
            .filter_map(|line| line.strip_prefix("impl ::micro_rpc::Message for ")?.strip_suffix(" {"));
        for message in messages {
            table += &format!("    of::<micro_proto::{package}::{message}>(),\n");
        }
    }
    table.push(']');
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("messages.rs"), table).expect("cargo's own folder");
}
