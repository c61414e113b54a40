//! Headers, there and back: what a plugin gets is a map of its own, and what it changed in it is told the gateway.

use std::ffi::c_void;
use std::ptr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::gateway;
use crate::abi::{self, Bytes as Lent};

/// Most messages have fewer headers, in fewer bytes.
const HEADERS: usize = 24;
const BYTES: usize = 1024;

/// The headers of a message as the gateway has them.
pub(super) struct Headers {
    message: *mut abi::Message,
    bytes: Bytes,
    /// Where each header's name and value end in `bytes`.
    ends: Vec<(usize, usize)>,
}

#[derive(Default)]
struct Gathered {
    bytes: Vec<u8>,
    ends: Vec<(usize, usize)>,
}

unsafe extern "C" fn gather(to: *mut c_void, name: Lent, value: Lent) {
    // SAFETY: it is what `of` has given, and nobody else has it.
    let gathered = unsafe { &mut *to.cast::<Gathered>() };
    if gathered.ends.is_empty() {
        gathered.bytes.reserve(BYTES);
        gathered.ends.reserve(HEADERS);
    }
    // SAFETY: both are there until this returns.
    let (name, value) = unsafe { (name.get(), value.get()) };
    gathered.bytes.extend_from_slice(name.unwrap_or_default());
    let name_ends = gathered.bytes.len();
    gathered.bytes.extend_from_slice(value.unwrap_or_default());
    gathered.ends.push((name_ends, gathered.bytes.len()));
}

impl Headers {
    /// The headers of `message`, and the same as a map for the plugin.
    pub(super) fn of(message: *mut abi::Message) -> (Self, HeaderMap) {
        let mut gathered = Gathered::default();
        // SAFETY: the message is there, and `gather` takes what it is given.
        unsafe { (gateway().headers)(message, gather, ptr::from_mut(&mut gathered).cast()) };
        let Gathered { bytes, ends } = gathered;
        let headers = Self { message, bytes: bytes.into(), ends };
        let mut map = HeaderMap::with_capacity(headers.ends.len());
        let mut begins = 0;
        for (name_ends, value_ends) in &headers.ends {
            if let Ok(name) = HeaderName::from_bytes(&headers.bytes[begins..*name_ends]) {
                // SAFETY: it is the value of a header of the gateway's, which was one there.
                let value =
                    unsafe { HeaderValue::from_maybe_shared_unchecked(headers.bytes.slice(*name_ends..*value_ends)) };
                map.append(name, value);
            }
            begins = *value_ends;
        }
        (headers, map)
    }

    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut begins = 0;
        self.ends.iter().map(move |(name_ends, value_ends)| {
            let header = (&self.bytes[begins..*name_ends], &self.bytes[*name_ends..*value_ends]);
            begins = *value_ends;
            header
        })
    }

    /// Tells the gateway what is different in `map`.
    pub(super) fn give_back(&self, map: &HeaderMap) {
        let mut now = map.iter();
        for (name, value) in self.iter() {
            // A value that nobody touched is where it was.
            let same = now.next().is_some_and(|(name_now, value_now)| {
                name_now.as_str().as_bytes() == name && ptr::eq(value_now.as_bytes(), value)
            });
            if !same {
                return self.replace(map);
            }
        }
        // A map has the values of a name together: these are names that were not there.
        now.for_each(|(name, value)| add(self.message, name, value));
    }

    /// Tells the gateway of each name whose values are others.
    #[cold]
    fn replace(&self, map: &HeaderMap) {
        let mut done: Vec<&[u8]> = Vec::new();
        for (name, _) in self.iter() {
            if done.contains(&name) {
                continue;
            }
            done.push(name);
            let Ok(text) = std::str::from_utf8(name) else { continue };
            let now = || map.get_all(text).iter();
            let was = self.iter().filter(|(was, _)| *was == name).map(|(_, value)| value);
            if was.eq(now().map(HeaderValue::as_bytes)) {
                continue;
            }
            // SAFETY: the message is there, and what is lent is until it returns.
            unsafe { (gateway().remove_header)(self.message, Lent::of(name)) };
            now().for_each(|value| add_lent(self.message, name, value));
        }
        for (name, value) in map {
            if !done.contains(&name.as_str().as_bytes()) {
                add(self.message, name, value);
            }
        }
    }
}

/// Adds all headers of `map` to a message that has none.
pub(super) fn give(message: *mut abi::Message, map: &HeaderMap) {
    map.iter().for_each(|(name, value)| add(message, name, value));
}

fn add(message: *mut abi::Message, name: &HeaderName, value: &HeaderValue) {
    add_lent(message, name.as_str().as_bytes(), value);
}

fn add_lent(message: *mut abi::Message, name: &[u8], value: &HeaderValue) {
    // SAFETY: the message is there, and what is lent is until it returns. Both were valid here, and so they are there.
    unsafe { (gateway().add_header)(message, Lent::of(name), Lent::of(value.as_bytes())) };
}
