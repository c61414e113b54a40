//! Where plugin bundles come from, and what they may be. Source: plugin-system.md §7.2.
//!
//! Keys of ours:
//!
//! | key | effect |
//! |---|---|
//! | `bundle_max_bytes` | how large a bundle may be, 256 MiB by default |
//! | `bundle_max_unpacked_bytes` | how large all files in it may be together, 1 GiB by default |
//! | `bundle_max_files` | how many files and folders it may have, 10,000 by default |
//! | `bundle_timeout_ms` | how long an attempt to fetch one may take, 5,000 by default, as with Tyk |
//! | `bundle_retry_ms` | how long is waited for the second attempt, 500 by default, as with Tyk |

use std::path::Path;
use std::time::Duration;

use super::remark::Remarks;
use super::{LONGEST, Raw};
use crate::bundles::{Limits, NO_BUNDLES, Settings};
use crate::storage::PublicKey;

const MIB: u64 = 1024 * 1024;
/// The folder of bundles, within `middleware_path`.
const FOLDER: &str = "bundles";

/// `key` is the one in `public_key_path`.
pub(super) fn resolve(raw: &Raw, key: Option<PublicKey>, remarks: &mut Remarks<'_>) -> Settings {
    let or = |value: u64, default: u64| if value == 0 { default } else { value };
    let time = |ms: u64, default: u64| Duration::from_millis(or(ms, default)).min(LONGEST);
    if raw.bundle_insecure_skip_verify {
        let reason = "anybody is taken for the server of bundles: who is on the way can put plugins into this gateway; name \
                      the issuer with `proxy_ssl_ca_file` instead";
        remarks.warning("bundle_insecure_skip_verify", reason);
    }
    if raw.enable_bundle_downloader && cfg!(not(feature = "bundles")) {
        remarks.warning("enable_bundle_downloader", NO_BUNDLES);
    }
    let middleware = if raw.middleware_path.is_empty() { "middleware" } else { &raw.middleware_path };
    Settings {
        downloads: raw.enable_bundle_downloader,
        base_url: raw.bundle_base_url.clone(),
        insecure: raw.bundle_insecure_skip_verify,
        trusts_existing: raw.skip_verify_existing_plugin_bundle,
        key,
        store: Path::new(middleware).join(FOLDER),
        is_off: raw.management_node,
        limits: Limits {
            bytes: or(raw.bundle_max_bytes, 256 * MIB),
            unpacked_bytes: or(raw.bundle_max_unpacked_bytes, 1024 * MIB),
            files: usize::try_from(or(raw.bundle_max_files, 10_000)).unwrap_or(usize::MAX),
        },
        timeout: time(raw.bundle_timeout_ms, 5000),
        pause: time(raw.bundle_retry_ms, 500),
    }
}
