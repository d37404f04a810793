//! `micro new`: a folder with a service in it that runs as it is.

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write},
    path::Path,
};

use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
};

/// The languages that services are written in, as they come.
const LANGUAGES: [&str; 1] = ["rust"];
/// Folders of cargo's own, words of Rust's, and what the service depends on.
const TAKEN: [&str; 14] = [
    "build",
    "core",
    "crate",
    "deps",
    "examples",
    "fn",
    "incremental",
    "micro-sdk",
    "mod",
    "self",
    "serde",
    "std",
    "super",
    "tokio",
];
/// Path and content; `NAME` and `HANDLER` stand for the service's.
const FILES: [(&str, &str); 4] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.in")),
    ("src/main.rs", include_str!("template/main.rs")),
    ("README.md", include_str!("template/README.md")),
    (".gitignore", "/target\n"),
];

/// Create a service template
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  micro new greeter\n  micro run greeter\n  micro greeter call --name Ada")]
pub struct Args {
    /// What to call it, and its folder
    name: Option<String>,

    /// The language it is written in
    #[arg(long, default_value = "rust")]
    lang: String,
}

/// Runs it.
pub fn run(args: &Args, ctx: &Ctx) -> Result {
    let name = args.name.as_deref().unwrap_or_default();
    if name.is_empty() {
        return Err(Failure::plain("specify service name"));
    }
    if !LANGUAGES.contains(&args.lang.as_str()) {
        let languages = LANGUAGES.join(", ");
        let refusal = format!("services in {:?} cannot be made yet; there is: {languages}", args.lang);
        return Err(Failure::plain(refusal));
    }
    if !is_name(name) {
        let rule = "use letters, digits, dashes and underscores, a letter first, 63 at most, and no word of Rust's";
        return Err(Failure::plain(format!("{name:?} is not a name for a service: {rule}")));
    }
    write(name).map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => Failure::new(Exit::Failed, format!("{name} already exists")),
        _ => Failure::because(format!("creating {name}"), e),
    })?;
    ctx.out.line(format!("Creating service {name}\n\n.\n{}\n", tree()));
    ctx.out.line("run it, see it run, and call it:\n");
    ctx.out
        .line(format!("micro run {name}\nmicro status\nmicro {name} call --name Ada"));
    Ok(Exit::Done)
}

fn is_name(name: &str) -> bool {
    let letter = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    letter && plain && name.len() <= 63 && !TAKEN.contains(&name)
}

/// `my-svc` answers as `MySvc`.
fn handler(name: &str) -> String {
    let words = name.split(['-', '_']);
    words
        .flat_map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map(|c| c.to_ascii_uppercase())
                .into_iter()
                .chain(letters)
        })
        .collect()
}

fn write(name: &str) -> io::Result<()> {
    let folder = Path::new(name);
    fs::create_dir(folder)?;
    fs::create_dir(folder.join("src"))?;
    for (path, content) in FILES {
        let content = content.replace("NAME", name).replace("HANDLER", &handler(name));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(folder.join(path))?;
        file.write_all(content.as_bytes())?;
    }
    Ok(())
}

/// The files as Micro draws them.
fn tree() -> String {
    let last = FILES.len() - 1;
    let line = |(n, (path, _)): (usize, &(&str, &str))| match (path.split_once('/'), n == last) {
        (Some((folder, file)), _) => format!("├── {folder}\n│   └── {file}\n"),
        (None, false) => format!("├── {path}\n"),
        (None, true) => format!("└── {path}\n"),
    };
    FILES.iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_is_called_as_its_service() {
        assert_eq!(handler("greeter"), "Greeter");
        assert_eq!(handler("my-svc_two"), "MySvcTwo");
    }

    #[test]
    fn names_are_those_that_cargo_and_micro_take() {
        for good in ["greeter", "my-svc", "A1"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "1a", "a/b", "../a", "a b", "ä", "serde", "deps", &"a".repeat(64)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
