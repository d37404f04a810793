//! Writes the table of all messages from the proto files, so that no message can be forgotten.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use heck::ToUpperCamelCase;

fn main() {
    let protos = Path::new(&env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../proto");
    println!("cargo::rerun-if-changed={}", protos.display());
    let packages = fs::read_dir(&protos).expect("there are protos");
    let mut files: Vec<PathBuf> = packages
        .map(|p| p.expect("readable").path().join("v1"))
        .flat_map(|v1| fs::read_dir(v1).expect("a version"))
        .map(|file| file.expect("readable").path())
        .collect();
    files.sort();
    let set = protox::compile(&files, [&protos]).expect("the protos compile");
    let rows = set.file.iter().flat_map(|file| {
        file.message_type.iter().map(|message| {
            let name = message.name().to_upper_camel_case();
            format!("    of::<micro_proto::{}::{name}>(),\n", file.package())
        })
    });
    let table = format!("vec![\n{}]", rows.collect::<String>());
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("messages.rs"), table).expect("cargo's own folder");
}
