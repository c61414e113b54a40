//! What a file is given of the gateway: the functions of the interface.

use super::{body, call, message, metric, operation};
use crate::abi;

/// The gateway's functions.
pub(super) static HOST: abi::Host = abi::Host {
    size: size_of::<abi::Host>(),
    abi_major: abi::MAJOR,
    abi_minor: abi::MINOR,

    logs: call::logs,
    log: call::log,
    panicked: call::panicked,

    text: call::text,
    certificate: call::certificate,
    message: call::message,
    set_session: call::set_session,
    set_record: call::set_record,
    reject: call::reject,
    fail: call::fail,
    metric: metric::metric,

    new_request: message::new_request,
    release_message: message::release,
    head: message::head,
    line: message::line,
    set_line: message::set_line,
    status: message::status,
    set_status: message::set_status,
    headers: message::headers,
    header: message::header,
    set_header: message::set_header,
    add_header: message::add_header,
    remove_header: message::remove_header,

    body: body::info,
    take_body: body::take,
    put_body: body::put,
    set_body: body::set,
    set_body_stream: body::set_stream,
    poll_body: body::poll,
    body_length: body::length,
    release_body: body::release,

    fetch: operation::fetch,
    sleep: operation::sleep,
    store_get: operation::store_get,
    store_set: operation::store_set,
    store_increment: operation::store_increment,
    store_delete: operation::store_delete,
    poll: operation::poll,
    wait: operation::wait,
    release: operation::release,
};
