//! What a source string names: an upload of ours, or a folder of a git repository at some ref
//! (reference/micro-wire §6.1, §6.2).

use url::Url;

/// Why a source string was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Nothing was given.
    #[error("no source was given")]
    Empty,
    /// Neither an upload nor a git address.
    #[error("{0:?} is not a source: upload a folder, or name a repository as host/owner/repo[/folder][@ref]")]
    NotASource(String),
    /// Only these two carry source code to us.
    #[error("git over {0:?} is not allowed: use http or https")]
    Scheme(String),
    /// Would end up in logs and process lists.
    #[error("a git address must not carry a user or password: pass GIT_CREDENTIALS")]
    Credentials,
    /// Could be taken for an option, or for more than a ref.
    #[error("{0:?} is not a branch, tag or commit")]
    Ref(String),
    /// Leads out of the repository.
    #[error("{0:?} is not a folder of the repository")]
    Folder(String),
}

/// Where source code comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A tar that `Source.Upload` stored as this blob.
    Upload(String),
    /// A git repository.
    Git(GitAddress),
}

/// A folder of a git repository at a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitAddress {
    /// What git fetches from: http or https, without credentials.
    pub url: Url,
    /// Path inside the repository; empty is its root.
    pub folder: String,
    /// A branch, tag or commit; `None` is Micro's `latest`.
    pub reference: Option<String>,
}

/// How an upload's id begins on Micro's wire.
pub const UPLOAD: &str = "source://";

/// Where the upload of a `name:version` lies in its account's blobs.
pub fn upload_key(named: &str) -> String {
    format!("source/{named}")
}

impl Address {
    /// Reads a source string.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        if text.is_empty() {
            return Err(BadAddress::Empty);
        }
        if let Some(named) = text.strip_prefix(UPLOAD) {
            let plain = |part: &str| {
                !matches!(part, "" | "." | "..")
                    && part
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'+' | b':'))
            };
            let valid = named.len() <= 300 && named.split('/').all(plain);
            return if valid {
                Ok(Self::Upload(upload_key(named)))
            } else {
                Err(BadAddress::NotASource(text.to_owned()))
            };
        }
        GitAddress::parse(text).map(Self::Git)
    }
}

impl GitAddress {
    /// Reads `host/owner/repo[/folder][@ref]`, the same behind `http(s)://`, or
    /// `http(s)://…/x.git[@ref][/folder]`.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        let refused = || BadAddress::NotASource(text.to_owned());
        if text.len() > 1024 || text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(refused());
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme @ ("http" | "https"), rest)) => (scheme, rest),
            Some((scheme, _)) => return Err(BadAddress::Scheme(scheme.to_owned())),
            None => ("https", text),
        };
        let (host, path) = rest.split_once('/').ok_or_else(refused)?;
        if host.contains('@') {
            return Err(BadAddress::Credentials);
        }
        let names_a_host = host.contains(['.', ':']) || host == "localhost";
        if !names_a_host || host.starts_with('-') || path.contains(['?', '#']) {
            return Err(refused());
        }
        let (repository, folder, reference) = match git_suffix(path) {
            Some((repository, rest)) => {
                let (folder, reference) = split_rest(rest);
                (repository.to_owned(), folder.to_owned(), reference)
            }
            None => owner_and_repository(path).ok_or_else(refused)?,
        };
        if repository.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(refused());
        }
        let url = Url::parse(&format!("{scheme}://{host}/{repository}")).map_err(|_| refused())?;
        let folder = folder.trim_matches('/').to_owned();
        check_folder(&folder)?;
        let reference = match reference.as_deref() {
            None | Some("latest") => None,
            Some(name) => Some(check_reference(name)?),
        };
        Ok(Self { url, folder, reference })
    }
}

/// Splits a path behind its first `.git` component.
fn git_suffix(path: &str) -> Option<(&str, &str)> {
    let named = path
        .match_indices(".git")
        .filter(|(at, _)| *at > 0 && path.as_bytes()[at - 1] != b'/');
    let end = named
        .map(|(at, found)| at + found.len())
        .find(|&end| matches!(path.as_bytes().get(end), None | Some(b'/' | b'@')))?;
    Some((&path[..end], &path[end..]))
}

/// `@ref[/folder]` or `/folder[@ref]`; a ref that holds a slash needs the second form.
fn split_rest(rest: &str) -> (&str, Option<String>) {
    match rest.strip_prefix('@') {
        Some(rest) => match rest.split_once('/') {
            Some((reference, folder)) => (folder, Some(reference.to_owned())),
            None => ("", Some(rest.to_owned())),
        },
        None => match rest.split_once('@') {
            Some((folder, reference)) => (folder, Some(reference.to_owned())),
            None => (rest, None),
        },
    }
}

/// `owner/repo[/folder…][@ref]`.
fn owner_and_repository(path: &str) -> Option<(String, String, Option<String>)> {
    let (path, reference) = match path.split_once('@') {
        Some((path, reference)) => (path, Some(reference.to_owned())),
        None => (path, None),
    };
    let mut parts = path.splitn(3, '/');
    let (owner, name) = (parts.next()?, parts.next().filter(|name| !name.is_empty())?);
    Some((
        format!("{owner}/{name}"),
        parts.next().unwrap_or_default().to_owned(),
        reference,
    ))
}

/// A folder that cannot climb: also used for the entrypoint of an upload.
pub fn check_folder(folder: &str) -> Result<(), BadAddress> {
    let climbs = folder.split('/').any(|part| matches!(part, "." | ".." | ".git"))
        || folder.starts_with('/')
        || folder.contains(['\0', '\\', '\n']);
    let gaps = !folder.is_empty() && folder.split('/').any(str::is_empty);
    if climbs || gaps || folder.len() > 512 {
        Err(BadAddress::Folder(folder.to_owned()))
    } else {
        Ok(())
    }
}

fn check_reference(name: &str) -> Result<String, BadAddress> {
    let valid = (1..=200).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b'+' | b'#'))
        && !name.contains("..")
        && !name.contains("//")
        && !name.ends_with(['/', '.'])
        && !name.ends_with(".lock");
    if valid {
        Ok(name.to_owned())
    } else {
        Err(BadAddress::Ref(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_git_address_names_repository_folder_and_ref() {
        let table = [
            ("github.com/ada/greeter", "https://github.com/ada/greeter", "", None),
            (
                "github.com/ada/greeter@latest",
                "https://github.com/ada/greeter",
                "",
                None,
            ),
            (
                "github.com/micro/services/helloworld",
                "https://github.com/micro/services",
                "helloworld",
                None,
            ),
            ("gitlab.com/a/b/c/d@v1.2", "https://gitlab.com/a/b", "c/d", Some("v1.2")),
            (
                "http://127.0.0.1:4000/greeter.git",
                "http://127.0.0.1:4000/greeter.git",
                "",
                None,
            ),
            (
                "http://127.0.0.1:4000/greeter.git@dev",
                "http://127.0.0.1:4000/greeter.git",
                "",
                Some("dev"),
            ),
            (
                "http://h.io/x/y.git@abc123/sub/dir",
                "http://h.io/x/y.git",
                "sub/dir",
                Some("abc123"),
            ),
            (
                "https://h.io/x.git/sub@feature/one",
                "https://h.io/x.git",
                "sub",
                Some("feature/one"),
            ),
            ("https://h.io/my.github/x.git", "https://h.io/my.github/x.git", "", None),
            ("localhost:1/a/b/", "https://localhost:1/a/b", "", None),
        ];
        for (text, url, folder, reference) in table {
            let git = GitAddress::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            let found = (git.url.as_str(), git.folder.as_str(), git.reference.as_deref());
            assert_eq!(found, (url, folder, reference), "{text}");
        }
    }

    #[test]
    fn what_is_no_plain_http_repository_is_refused() {
        for scheme in ["ssh", "file", "ext", "git", "ftp"] {
            let refused = GitAddress::parse(&format!("{scheme}://h.io/a/b.git")).expect_err("not http");
            assert_eq!(refused, BadAddress::Scheme(scheme.into()));
        }
        for text in [
            "",
            "greeter",
            "/etc/passwd",
            "./here",
            "../there",
            "h.io",
            "h.io/a",
            "nohost/a/b",
            "-oProxy.x/a/b",
            "h.io/../b",
            "https://h.io/a/b?x",
            "h.io/a b/c",
            "h.io/a/b\nc",
            "ext::sh -c id",
        ] {
            assert!(Address::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(
            GitAddress::parse("https://ada:pw@h.io/a/b.git"),
            Err(BadAddress::Credentials)
        );
        for text in [
            "--upload-pack=x",
            "a..b",
            "-x",
            "x.lock",
            "a@{1}",
            "a:b",
            "^x",
            "a~1",
            "/x",
            "x/",
        ] {
            let refused = GitAddress::parse(&format!("h.io/a/b@{text}")).expect_err(text);
            assert_eq!(refused, BadAddress::Ref(text.into()));
        }
        for text in ["..", "a/../b", "a//b", ".git", "x/.git/hooks", "."] {
            assert!(
                matches!(
                    GitAddress::parse(&format!("h.io/a/b/{text}")),
                    Err(BadAddress::Folder(_))
                ),
                "{text}"
            );
        }
    }

    #[test]
    fn an_upload_is_known_by_its_scheme() {
        assert_eq!(
            Address::parse("source://greeter:latest"),
            Ok(Address::Upload("source/greeter:latest".into()))
        );
        for bad in ["source://", "source://../artifact/x", "source://a//b", "source://a b"] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }
}
