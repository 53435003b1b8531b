//! The files that the pages need. Each is a part of the program, and its address changes with what is in it.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};

/// A file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asset {
    pub(super) name: &'static str,
    content_type: &'static str,
    content: &'static str,
}

pub(super) const STYLE: Asset = Asset {
    name: "style.css",
    content_type: "text/css; charset=utf-8",
    content: include_str!("assets/style.css"),
};

pub(super) const SCRIPT: Asset = Asset {
    name: "script.js",
    content_type: "text/javascript; charset=utf-8",
    content: include_str!("assets/script.js"),
};

pub(super) const ICON: Asset = Asset {
    name: "icon.svg",
    content_type: "image/svg+xml",
    content: include_str!("assets/icon.svg"),
};

impl Asset {
    /// Its name with what tells this version of it from others.
    pub(super) fn address(&self) -> String {
        format!("{}?{:016x}", self.name, digest(self.content))
    }

    pub(super) fn response(&self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, self.content_type),
            (header::CACHE_CONTROL, "private, max-age=31536000, immutable"),
        ];
        (headers, self.content).into_response()
    }
}

/// FNV-1a.
fn digest(content: &str) -> u64 {
    content.bytes().fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
