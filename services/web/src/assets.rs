//! Styles, the one script and the icon: part of the program, named by their content.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use sha2::{Digest, Sha256};

use crate::views;

pub(crate) struct Asset {
    kind: &'static str,
    body: &'static str,
    /// Changes with the content: the ETag, and part of the addresses in pages.
    pub(crate) version: String,
}

impl Asset {
    fn of(kind: &'static str, body: &'static str) -> Self {
        Self {
            kind,
            body,
            version: hex::encode(&Sha256::digest(body)[..8]),
        }
    }
}

pub(crate) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::of("text/css; charset=utf-8", include_str!("../../../web/static/style.css")));
pub(crate) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::of(
        "text/javascript; charset=utf-8",
        include_str!("../../../web/static/copy.js"),
    )
});
static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::of("image/svg+xml", include_str!("../../../web/static/icon.svg")));

/// `GET /static/{name}`
pub(crate) async fn show(Path(name): Path<String>, asked: HeaderMap) -> Response {
    let asset = match name.as_str() {
        "style.css" => &*STYLE,
        "copy.js" => &*SCRIPT,
        "icon.svg" => &*ICON,
        _ => return views::missing(),
    };
    let etag = format!("\"{}\"", asset.version);
    let kept = asked.get(header::IF_NONE_MATCH).and_then(|held| held.to_str().ok());
    let headers = [
        (header::ETAG, etag.clone()),
        (header::CACHE_CONTROL, "public, max-age=3600".to_owned()),
    ];
    if kept.is_some_and(|held| held.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag)) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    ([(header::CONTENT_TYPE, asset.kind)], headers, asset.body).into_response()
}
