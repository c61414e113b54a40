//! `http_server_options.max_connections` and `max_request_header_size`: keys of this gateway, which Tyk does not have.

use rustix::process::{Resource, getrlimit};

use super::remark::Remarks;

/// Open files that are no connections: listeners, logs, definitions, name servers.
const OTHER_FILES: u64 = 64;
/// Where the system knows no bound.
const MOST_FILES: u64 = 1024 * 1024;
/// As much as Envoy and HTTP/2's usual setting allow, and twice what nginx does; Tyk's own bound is Go's, 1 MiB, of which
/// ten thousand slow clients would fill 10 GiB.
const REQUEST_HEADER: usize = 64 * 1024;
/// hyper holds no more of a head.
const MOST_REQUEST_HEADER: u64 = 256 * 1024;

/// How many clients may be connected. By default each can have a connection to an upstream, and no accept ever fails for
/// want of a descriptor: those are as many as the process may open, which it raises to the hard limit when it starts.
pub(super) fn connections(written: u64, remarks: &mut Remarks<'_>) -> usize {
    let files = getrlimit(Resource::Nofile).maximum.unwrap_or(MOST_FILES).min(MOST_FILES);
    let room = files.saturating_sub(OTHER_FILES).max(1);
    if written > room {
        remarks.warning(
            "http_server_options.max_connections",
            format!(
                "the process may open {files} files, which leaves room for {room} connections: raise its limit (`ulimit -Hn`, \
                 `LimitNOFILE=`), or this bound has no effect"
            ),
        );
    }
    let most = if written == 0 { room.div_ceil(2) } else { written };
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// The longest head of a request, in bytes.
pub(super) fn request_header(written: u64, remarks: &mut Remarks<'_>) -> usize {
    if written > MOST_REQUEST_HEADER {
        let reason =
            format!("more than {MOST_REQUEST_HEADER} bytes, which is the most that the gateway reads of a head");
        remarks.error("http_server_options.max_request_header_size", reason);
    }
    if written == 0 { REQUEST_HEADER } else { usize::try_from(written).unwrap_or(REQUEST_HEADER) }
}
