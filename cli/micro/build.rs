//! Puts the Rust SDK's source into the binary, so that a server has it wherever it is installed.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

fn main() {
    let sdk = Path::new(&env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../sdk/rust");
    let mut files: Vec<PathBuf> = ["Cargo.toml", "Cargo.lock", "README.md"].map(PathBuf::from).into();
    for entry in fs::read_dir(sdk.join("src")).expect("the SDK has sources") {
        files.push(Path::new("src").join(entry.expect("readable").file_name()));
    }
    files.sort();
    let rows = files.iter().map(|file| {
        let path = sdk.join(file);
        println!("cargo::rerun-if-changed={}", path.display());
        format!(
            "    ({:?}, include_bytes!({:?})),\n",
            file.display().to_string(),
            path.display().to_string()
        )
    });
    let table = format!("&[\n{}]", rows.collect::<String>());
    println!("cargo::rerun-if-changed={}", sdk.join("src").display());
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("sdk_files.rs"), table).expect("cargo's own folder");
}
