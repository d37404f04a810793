//! A git host in a folder: serves the bare repositories below it over HTTP, by the installed `git http-backend`, and
//! prints its address. For tests and demos only: it asks nobody for a password.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use anyhow::{Context, ensure};
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use clap::Parser;
use tokio::{io::AsyncWriteExt, net::TcpListener, process::Command};

/// The most that a fetch request may ask with.
const REQUEST_BYTES: usize = 8 << 20;

#[derive(Parser)]
#[command(about)]
struct Args {
    /// Folder whose bare repositories (`greeter.git`) are served.
    root: PathBuf,
    /// Where to listen; port 0 picks one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Answer only to this user and password (`ada:pw`), as private repositories do.
    #[arg(long)]
    password: Option<String>,
}

struct Host {
    root: PathBuf,
    /// The authorization header to expect.
    authorization: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let root = args.root.canonicalize().context("the folder of repositories")?;
    ensure!(root.is_dir(), "{} is not a folder", root.display());
    let authorization = args.password.map(|pair| format!("Basic {}", base64(pair.as_bytes())));
    let host = Arc::new(Host { root, authorization });
    let listener = TcpListener::bind(args.listen).await?;
    print_address(listener.local_addr()?);
    axum::serve(listener, Router::new().fallback(serve).with_state(host)).await?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the address is this program's output")]
fn print_address(address: SocketAddr) {
    println!("http://{address}");
}

async fn serve(State(host): State<Arc<Host>>, request: Request) -> Response {
    if let Some(expected) = &host.authorization {
        let given = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|v| v.to_str().ok());
        if given != Some(expected) {
            let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"git\"")];
            return (StatusCode::UNAUTHORIZED, challenge, "who are you?\n").into_response();
        }
    }
    match backend(&host.root, request).await {
        Ok(response) => response,
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{e:#}\n")).into_response(),
    }
}

/// One CGI exchange (RFC 3875).
async fn backend(root: &Path, request: Request) -> anyhow::Result<Response> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, REQUEST_BYTES).await?;
    let text = |name: HeaderName| {
        parts
            .headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
    };
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_PROTOCOL", text(HeaderName::from_static("git-protocol")))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        // Repositories of another user are served too: this is what the double is for.
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", text(header::CONTENT_TYPE))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", text(header::CONTENT_ENCODING))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .context("git http-backend")?;
    let mut stdin = child.stdin.take().context("its input")?;
    let feed = tokio::spawn(async move { stdin.write_all(&body).await });
    let output = child.wait_with_output().await?;
    // A backend that answers without reading everything closes its input early; its answer is what counts.
    let _ = feed.await?;
    respond(output.stdout)
}

fn respond(output: Vec<u8>) -> anyhow::Result<Response> {
    let end = output
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .context("git http-backend answered without a head")?;
    let mut headers = HeaderMap::new();
    let mut status = StatusCode::OK;
    for line in std::str::from_utf8(&output[..end])?.split("\r\n") {
        let (name, value) = line.split_once(": ").context("a header")?;
        if name.eq_ignore_ascii_case("status") {
            status = value.get(..3).context("a status")?.parse()?;
        } else {
            headers.insert(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
        }
    }
    let body = Body::from(Bytes::from(output).slice(end + 4..));
    Ok((status, headers, body).into_response())
}

/// RFC 4648, for the one header that needs it.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = ALPHABET[(n >> (18 - 6 * place)) as usize & 63];
            text.push(if place > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_encoded_as_headers_carry_it() {
        for (plain, encoded) in [
            ("", ""),
            ("a", "YQ=="),
            ("ab", "YWI="),
            ("abc", "YWJj"),
            ("ada:pw", "YWRhOnB3"),
        ] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn a_cgi_answer_becomes_http() {
        let answer =
            respond(b"Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nno".to_vec()).expect("well formed");
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/plain");
        assert!(respond(b"nonsense".to_vec()).is_err());
    }
}
