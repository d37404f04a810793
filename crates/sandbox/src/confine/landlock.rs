//! A second lock on files, by the kernel's Landlock: it holds even where a mount was forgotten.

use std::{io, path::Path};

use landlock::{
    ABI, Access, AccessFs, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr,
    Scope,
};

use super::tree::{READ_ONLY, SCRATCH};
use crate::spec::Spec;

/// The newest the rules below are written for; older kernels apply what they know of it.
const RULES: ABI = ABI::V6;

/// Whether this kernel has it.
pub(crate) fn present() -> bool {
    const VERSION: u32 = 1;
    let nothing = std::ptr::null::<u8>();
    // SAFETY: with this flag the kernel only returns a number.
    unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0usize, VERSION) > 0 }
}

/// For the calling process and all it starts. Quietly less on kernels that know less.
pub(crate) fn apply(spec: &Spec) -> io::Result<()> {
    rules(spec).map_err(io::Error::other)
}

fn rules(spec: &Spec) -> Result<(), landlock::RulesetError> {
    let read = AccessFs::from_read(RULES);
    let devices = read | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
    let write = AccessFs::from_all(RULES) & !(AccessFs::MakeChar | AccessFs::MakeBlock);

    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(RULES))?
        .scope(Scope::from_all(RULES))?
        .create()?;
    // Names may be listed everywhere: there is nothing in this tree but what is meant to be seen.
    rules = allow(rules, Path::new("/"), AccessFs::ReadDir.into())?;
    for path in READ_ONLY {
        rules = allow(rules, Path::new(path), read)?;
    }
    rules = allow(rules, Path::new("/dev"), devices)?;
    for path in SCRATCH {
        rules = allow(rules, Path::new(path), write)?;
    }
    for bind in &spec.binds {
        rules = allow(rules, &bind.target, if bind.writable { write } else { read })?;
    }
    rules.restrict_self().map(drop)
}

fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, landlock::RulesetError> {
    // What is not there needs no rule; what is a single file takes no rights of directories.
    let Ok(fd) = PathFd::new(path) else { return Ok(rules) };
    let access = if path.is_dir() {
        access
    } else {
        access & AccessFs::from_file(RULES)
    };
    rules.add_rule(PathBeneath::new(fd, access))
}
