//! What both sides agree on: `gateway-runtime/sdk/include/gw_plugin.h` in Rust, name for name. That says what each means.

#![allow(missing_docs, reason = "the header says it")]

use std::ffi::c_void;
use std::ptr;

/// A file with another major version is refused, and one with a higher minor version.
pub const MAJOR: u16 = 1;
/// See [`MAJOR`].
pub const MINOR: u16 = 0;
/// What a file exports.
pub const ENTRY: &str = "gw_plugin_entry_v1";

/// Bytes that somebody else owns.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Bytes {
    pub data: *const u8,
    pub len: usize,
}

impl Bytes {
    /// There is no such thing.
    pub const ABSENT: Self = Self { data: ptr::null(), len: 0 };

    /// These, for as long as they are there.
    #[must_use]
    pub const fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), len: bytes.len() }
    }

    /// These, or nothing.
    #[must_use]
    pub fn maybe(bytes: Option<&[u8]>) -> Self {
        bytes.map_or(Self::ABSENT, Self::of)
    }

    /// What is there.
    ///
    /// # Safety
    /// The other side's bytes are there for `'a`, and nobody changes them.
    #[must_use]
    pub unsafe fn get<'a>(self) -> Option<&'a [u8]> {
        if self.data.is_null() {
            return None;
        }
        // SAFETY: not null, and the caller vouches for the rest.
        Some(unsafe { std::slice::from_raw_parts(self.data, self.len) })
    }

    /// The same as text; `None` if it is not UTF-8.
    ///
    /// # Safety
    /// As [`Bytes::get`].
    #[must_use]
    pub unsafe fn text<'a>(self) -> Option<&'a str> {
        // SAFETY: the same is asked of our caller.
        std::str::from_utf8(unsafe { self.get() }?).ok()
    }
}

macro_rules! opaque {
    ($($name:ident)+) => {$(
        /// The gateway's, and known to nobody else.
        #[repr(C)]
        #[derive(Debug)]
        pub struct $name {
            _private: [u8; 0],
        }
    )+};
}

opaque! { Call Message Body Operation }

/// What a function came to.
pub type Code = i32;

pub const OK: Code = 0;
pub const CONTINUE: Code = 0;
pub const RESPOND: Code = 1;
pub const REJECT: Code = 2;
pub const MISSING_SESSION: Code = 3;
pub const DISCARD: Code = 4;
pub const PENDING: Code = 5;
pub const END: Code = 6;
pub const NOTHING: Code = 7;
pub const PANICKED: Code = -1;
pub const FAILED: Code = -2;
pub const INVALID: Code = -3;
pub const TIMED_OUT: Code = -4;
pub const NOT_A_NUMBER: Code = -5;
pub const FULL: Code = -6;
pub const TOO_LARGE: Code = -7;

pub const REQUEST: i32 = 0;
pub const RESPONSE: i32 = 1;
pub const ANSWER: i32 = 2;
pub const FINAL: i32 = 3;

pub const TEXT_DEFINITION: i32 = 0;
pub const TEXT_DOCUMENT: i32 = 1;
pub const TEXT_CONFIG: i32 = 2;
pub const TEXT_REQUEST_ID: i32 = 3;
pub const TEXT_CLIENT_ADDRESS: i32 = 4;
pub const TEXT_SESSION: i32 = 5;
pub const TEXT_SESSION_KEY: i32 = 6;
pub const TEXT_RECORD: i32 = 7;
pub const TEXT_SERVER_NAME: i32 = 8;
pub const TEXT_CERTIFICATE: i32 = 9;
pub const TEXT_API_ID: i32 = 10;
pub const TEXT_GATEWAY_VERSION: i32 = 11;

pub const SESSION_CALLER: i32 = 0;
pub const SESSION_CHANGED: i32 = 1;
pub const SESSION_NEXT: i32 = 2;
pub const SESSION_PERSIST: i32 = 3;

pub const METHOD: i32 = 0;
pub const URI: i32 = 1;
pub const UPSTREAM: i32 = 2;
pub const VERSION: i32 = 3;

pub const DEBUG: i32 = 0;
pub const INFO: i32 = 1;
pub const WARN: i32 = 2;
pub const ERROR: i32 = 3;

pub const COUNTER: i32 = 0;
pub const GAUGE: i32 = 1;
pub const HISTOGRAM: i32 = 2;

pub const BODY_EMPTY: i32 = 0;
pub const BODY_BYTES: i32 = 1;
pub const BODY_STREAM: i32 = 2;

pub const BLOCKING: u32 = 1;
pub const ON_PANIC_CONTINUE: u32 = 2;
pub const ON_TIMEOUT_CONTINUE: u32 = 4;
pub const TAKES_REQUEST: u32 = 8;

/// A length that is not known, and a time without end.
pub const UNKNOWN: i64 = -1;

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct WakerFunctions {
    pub clone: unsafe extern "C" fn(data: *const c_void) -> Waker,
    pub wake: unsafe extern "C" fn(data: *const c_void),
    pub wake_by_ref: unsafe extern "C" fn(data: *const c_void),
    pub release: unsafe extern "C" fn(data: *const c_void),
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Waker {
    pub data: *const c_void,
    pub functions: *const WakerFunctions,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct FutureFunctions {
    pub poll: unsafe extern "C" fn(data: *mut c_void, waker: *const Waker) -> Code,
    pub release: unsafe extern "C" fn(data: *mut c_void),
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Future {
    pub data: *mut c_void,
    pub functions: *const FutureFunctions,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Head {
    pub size: usize,
    pub method: Bytes,
    pub uri: Bytes,
    pub version: Bytes,
    pub upstream: Bytes,
}

impl Head {
    pub const NONE: Self = Self {
        size: size_of::<Self>(),
        method: Bytes::ABSENT,
        uri: Bytes::ABSENT,
        version: Bytes::ABSENT,
        upstream: Bytes::ABSENT,
    };
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct BodyInfo {
    pub size: usize,
    pub kind: i32,
    pub length: i64,
    pub bytes: Bytes,
}

impl BodyInfo {
    pub const EMPTY: Self = Self { size: size_of::<Self>(), kind: BODY_EMPTY, length: 0, bytes: Bytes::ABSENT };
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    pub size: usize,
    pub bytes: Bytes,
    pub trailers: *mut Message,
}

impl Frame {
    pub const NONE: Self = Self { size: size_of::<Self>(), bytes: Bytes::ABSENT, trailers: ptr::null_mut() };
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct StreamFunctions {
    pub poll: unsafe extern "C" fn(data: *mut c_void, waker: *const Waker, frame: *mut Frame) -> Code,
    pub release: unsafe extern "C" fn(data: *mut c_void),
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    pub data: *mut c_void,
    pub functions: *const StreamFunctions,
    pub length: i64,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Result {
    pub size: usize,
    pub bytes: Bytes,
    pub number: i64,
    pub response: *mut Message,
}

impl Result {
    pub const NONE: Self = Self { size: size_of::<Self>(), bytes: Bytes::ABSENT, number: 0, response: ptr::null_mut() };
}

pub type HeaderVisitor = unsafe extern "C" fn(to: *mut c_void, name: Bytes, value: Bytes);

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Host {
    pub size: usize,
    pub abi_major: u16,
    pub abi_minor: u16,

    pub logs: unsafe extern "C" fn(call: *const Call, level: i32) -> i32,
    pub log: unsafe extern "C" fn(call: *const Call, level: i32, text: Bytes),
    pub panicked: unsafe extern "C" fn(location: Bytes, text: Bytes),

    pub text: unsafe extern "C" fn(call: *mut Call, which: i32) -> Bytes,
    pub certificate: unsafe extern "C" fn(call: *mut Call, index: usize) -> Bytes,
    pub message: unsafe extern "C" fn(call: *mut Call, which: i32) -> *mut Message,
    pub set_session: unsafe extern "C" fn(call: *mut Call, how: i32, json: Bytes, key: Bytes) -> Code,
    pub set_record: unsafe extern "C" fn(call: *mut Call, json: Bytes) -> Code,
    pub reject: unsafe extern "C" fn(call: *mut Call, message: Bytes, reason: Bytes),
    pub fail: unsafe extern "C" fn(call: *mut Call, place: Bytes, text: Bytes),
    pub metric: unsafe extern "C" fn(call: *const Call, kind: i32, name: Bytes, value: f64),

    pub new_request: unsafe extern "C" fn() -> *mut Message,
    pub release_message: unsafe extern "C" fn(message: *mut Message),
    pub head: unsafe extern "C" fn(message: *mut Message, head: *mut Head) -> Code,
    pub line: unsafe extern "C" fn(message: *mut Message, part: i32) -> Bytes,
    pub set_line: unsafe extern "C" fn(message: *mut Message, part: i32, value: Bytes) -> Code,
    pub status: unsafe extern "C" fn(message: *const Message) -> i32,
    pub set_status: unsafe extern "C" fn(message: *mut Message, status: i32) -> Code,
    pub headers: unsafe extern "C" fn(message: *const Message, visit: HeaderVisitor, to: *mut c_void) -> usize,
    pub header: unsafe extern "C" fn(message: *const Message, name: Bytes) -> Bytes,
    pub set_header: unsafe extern "C" fn(message: *mut Message, name: Bytes, value: Bytes) -> Code,
    pub add_header: unsafe extern "C" fn(message: *mut Message, name: Bytes, value: Bytes) -> Code,
    pub remove_header: unsafe extern "C" fn(message: *mut Message, name: Bytes) -> Code,

    pub body: unsafe extern "C" fn(message: *mut Message, info: *mut BodyInfo) -> Code,
    pub take_body: unsafe extern "C" fn(message: *mut Message, info: *mut BodyInfo) -> *mut Body,
    pub put_body: unsafe extern "C" fn(message: *mut Message, body: *mut Body) -> Code,
    pub set_body:
        unsafe extern "C" fn(message: *mut Message, bytes: Bytes, trailers: *mut Message, describe: i32) -> Code,
    pub set_body_stream: unsafe extern "C" fn(message: *mut Message, stream: Stream, describe: i32) -> Code,
    pub poll_body: unsafe extern "C" fn(body: *mut Body, waker: *const Waker, frame: *mut Frame) -> Code,
    pub body_length: unsafe extern "C" fn(body: *const Body) -> i64,
    pub release_body: unsafe extern "C" fn(body: *mut Body),

    pub fetch: unsafe extern "C" fn(call: *mut Call, request: *mut Message, timeout: u64) -> *mut Operation,
    pub sleep: unsafe extern "C" fn(call: *mut Call, time: u64) -> *mut Operation,
    pub store_get: unsafe extern "C" fn(call: *mut Call, key: Bytes) -> *mut Operation,
    pub store_set: unsafe extern "C" fn(call: *mut Call, key: Bytes, value: Bytes, ttl: i64) -> *mut Operation,
    pub store_increment: unsafe extern "C" fn(call: *mut Call, key: Bytes, by: i64, ttl: i64) -> *mut Operation,
    pub store_delete: unsafe extern "C" fn(call: *mut Call, key: Bytes) -> *mut Operation,
    pub poll: unsafe extern "C" fn(operation: *mut Operation, waker: *const Waker, result: *mut Result) -> Code,
    pub wait: unsafe extern "C" fn(operation: *mut Operation, result: *mut Result) -> Code,
    pub release: unsafe extern "C" fn(operation: *mut Operation),
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Hook {
    pub size: usize,
    pub hook: i32,
    pub flags: u32,
    pub timeout: u64,
    pub function: Bytes,
    pub body_limit: u64,
    pub call: Option<unsafe extern "C" fn(instance: *mut c_void, call: *mut Call) -> Code>,
    pub begin: Option<unsafe extern "C" fn(instance: *mut c_void, call: *mut Call) -> Future>,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Plugin {
    pub size: usize,
    pub name: Bytes,
    pub package: Bytes,
    pub version: Bytes,
    pub doc: Bytes,
    pub hooks_len: usize,
    pub hooks: *const *const Hook,
    pub create:
        Option<unsafe extern "C" fn(plugin: *const Plugin, call: *mut Call, instance: *mut *mut c_void) -> Code>,
    pub start: Option<unsafe extern "C" fn(instance: *mut c_void, call: *mut Call) -> Future>,
    pub stop: Option<unsafe extern "C" fn(instance: *mut c_void, call: *mut Call) -> Future>,
    pub destroy: Option<unsafe extern "C" fn(instance: *mut c_void)>,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Library {
    pub size: usize,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub plugins_len: usize,
    pub plugins: *const *const Plugin,
}

/// [`ENTRY`].
pub type Entry = unsafe extern "C" fn(host: *const Host, call: *mut Call) -> *const Library;

/// The hooks by their numbers.
pub const HOOKS: [gateway_model::Hook; 7] = {
    use gateway_model::Hook::{Analytics, AuthCheck, Endpoint, Post, PostKeyAuth, Pre, Response};
    [Pre, AuthCheck, PostKeyAuth, Post, Response, Endpoint, Analytics]
};
