//! Memory and process bounds of a whole instance, in control groups below the server's own: version 1, or version 2
//! where the server's group may have children with controllers.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crate::spec::Limits;

/// Which groups are an instance's, in its state directory, so that whoever sees its end can remove them.
const RECORD: &str = "cgroups";

/// An instance's groups, open for the program to join and for the keeper to look at.
#[derive(Default)]
pub(crate) struct Groups {
    members: Vec<File>,
    memory_events: Option<File>,
    tasks: bool,
}

impl Groups {
    /// Makes what this machine allows; what it does not is simply missing, and [`Self::bounds_memory`] says so.
    pub(crate) fn make(state_dir: &Path, name: &str, limits: &Limits) -> Self {
        let mut groups = Self::default();
        let Ok(places) = Places::find() else { return groups };
        let mut made = Vec::new();
        if let Some(parent) = &places.memory {
            let dir = parent.join(name);
            groups.memory_events = groups
                .add(&dir, &places.memory_settings(limits), places.memory_events())
                .ok();
            made.push(dir);
        }
        if let Some(parent) = &places.pids {
            let dir = parent.join(name);
            groups.tasks = groups
                .add(&dir, &[("pids.max", limits.tasks.to_string())], "pids.max")
                .is_ok();
            made.push(dir);
        }
        let record: String = made
            .iter()
            .filter_map(|dir| dir.to_str())
            .map(|dir| format!("{dir}\n"))
            .collect();
        if fs::write(state_dir.join(RECORD), record).is_err() {
            // Nobody would remove them.
            for dir in made {
                let _ = fs::remove_dir(dir);
            }
            return Self::default();
        }
        groups
    }

    /// One group, with its settings; `watch` is opened to read.
    fn add(&mut self, dir: &Path, settings: &[(&str, String)], watch: &str) -> io::Result<File> {
        if let Err(e) = fs::create_dir(dir)
            && e.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(e);
        }
        for (name, value) in settings {
            fs::write(dir.join(name), value)?;
        }
        let members = OpenOptions::new().write(true).open(dir.join("cgroup.procs"))?;
        let watch = File::open(dir.join(watch))?;
        self.members.push(members);
        Ok(watch)
    }

    pub(crate) fn bounds_memory(&self) -> bool {
        self.memory_events.is_some()
    }

    pub(crate) fn bounds_tasks(&self) -> bool {
        self.tasks
    }

    /// The calling process enters. Who opened the files is who is asked for the right: the server's user.
    pub(crate) fn join(&self) -> io::Result<()> {
        for mut members in &self.members {
            members.write_all(b"0")?;
        }
        Ok(())
    }

    /// Whether the kernel killed a member for want of memory.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        let Some(events) = &self.memory_events else {
            return false;
        };
        let mut text = [0; 1024];
        let length = events.read_at(&mut text, 0).unwrap_or_default();
        let text = String::from_utf8_lossy(&text[..length]);
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.is_some_and(|count| count.trim() != "0")
    }
}

/// The groups of the instance in `state_dir`.
pub(crate) fn recorded(state_dir: &Path) -> Vec<PathBuf> {
    let dirs = fs::read_to_string(state_dir.join(RECORD)).unwrap_or_default();
    dirs.lines().map(PathBuf::from).collect()
}

/// Removes the groups of an instance that has ended, and then the record of them.
pub(crate) fn clear(state_dir: &Path, groups: &[PathBuf]) {
    let left = groups
        .iter()
        .filter(|dir| fs::remove_dir(dir).is_err_and(|e| e.kind() != io::ErrorKind::NotFound));
    if left.count() == 0 {
        // Only a record: without it nothing is forgotten any more.
        let _ = fs::remove_file(state_dir.join(RECORD));
    }
}

/// Where groups of ours may go.
struct Places {
    memory: Option<PathBuf>,
    pids: Option<PathBuf>,
    unified: bool,
}

impl Places {
    fn find() -> io::Result<Self> {
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let memory = version_1(&own, &mounts, "memory");
        if memory.is_some() {
            return Ok(Self {
                memory,
                pids: version_1(&own, &mounts, "pids"),
                unified: false,
            });
        }
        let dir = version_2(&own, &mounts).filter(|dir| delegate(dir).is_ok());
        Ok(Self {
            memory: dir.clone(),
            pids: dir,
            unified: true,
        })
    }

    fn memory_settings(&self, limits: &Limits) -> Vec<(&'static str, String)> {
        let bytes = limits.memory_bytes.to_string();
        if self.unified {
            vec![
                ("memory.max", bytes),
                ("memory.swap.max", "0".to_owned()),
                ("memory.oom.group", "1".to_owned()),
            ]
        } else {
            vec![("memory.limit_in_bytes", bytes)]
        }
    }

    fn memory_events(&self) -> &'static str {
        if self.unified {
            "memory.events"
        } else {
            "memory.oom_control"
        }
    }
}

/// The server's own group of one controller.
fn version_1(own: &str, mounts: &str, controller: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|c| c == controller).then_some(path)
    })?;
    mount_of(mounts, path, |kind, options| {
        kind == "cgroup" && options.split(',').any(|o| o == controller)
    })
}

fn version_2(own: &str, mounts: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    mount_of(mounts, path, |kind, _| kind == "cgroup2")
}

/// The directory of the group `path`, through the mount that `is_it` recognises by type and options.
fn mount_of(mounts: &str, path: &str, is_it: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (mount, source) = line.split_once(" - ")?;
        let mut source = source.split(' ');
        let (kind, options) = (source.next()?, source.nth(1)?);
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let below = if root == "/" { path } else { path.strip_prefix(root)? };
        is_it(kind, options).then(|| Path::new(point).join(below.trim_start_matches('/')))
    })
}

/// Children of `dir` get their own bounds; refused while processes other than through children are in it.
fn delegate(dir: &Path) -> io::Result<()> {
    let file = dir.join("cgroup.subtree_control");
    let enabled = fs::read_to_string(&file)?;
    if ["memory", "pids"]
        .iter()
        .all(|c| enabled.split_whitespace().any(|e| e == *c))
    {
        return Ok(());
    }
    fs::write(file, "+memory +pids")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
30 20 0:25 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
31 20 0:26 / /sys/fs/cgroup/pids rw,relatime shared:9 - cgroup cgroup rw,pids
32 20 0:27 /docker/ab /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
";
    const OWN: &str = "8:pids:/\n4:memory:/system.slice/micro\n0::/docker/ab/leaf\n";

    #[test]
    fn groups_go_below_the_servers_own() {
        let place = |controller| version_1(OWN, MOUNTS, controller);
        assert_eq!(place("memory"), Some("/sys/fs/cgroup/memory/system.slice/micro".into()));
        assert_eq!(place("pids"), Some("/sys/fs/cgroup/pids".into()));
        assert_eq!(place("cpu"), None);
        assert_eq!(version_2(OWN, MOUNTS), Some("/sys/fs/cgroup/unified/leaf".into()));
    }
}
