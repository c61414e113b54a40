//! Headers, there and back: what a plugin gets is a map of its own, and what it changed in it is told the gateway.

use std::ffi::c_void;
use std::ptr;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::gateway;
use crate::abi::{self, Bytes as Lent};

/// Most messages have a head of fewer bytes.
const HEAD: usize = 2048;
/// So many names are known again.
const MOST_NAMES: usize = 64;
/// Before each header stand the lengths of its name and its value.
const LENGTHS: usize = 2 * size_of::<u32>();

/// The headers of a message as the gateway has them.
pub(super) struct Headers {
    message: *mut abi::Message,
    /// One after the other.
    bytes: Bytes,
}

unsafe extern "C" fn gather(to: *mut c_void, name: Lent, value: Lent) {
    // SAFETY: it is what `of` has given, and nobody else has it.
    let arena = unsafe { &mut *to.cast::<BytesMut>() };
    // SAFETY: both are there until this returns.
    let (name, value) = unsafe { (name.get().unwrap_or_default(), value.get().unwrap_or_default()) };
    let (Ok(name_length), Ok(value_length)) = (u32::try_from(name.len()), u32::try_from(value.len())) else { return };
    arena.reserve(LENGTHS + name.len() + value.len());
    arena.put_u32_ne(name_length);
    arena.put_u32_ne(value_length);
    arena.put_slice(name);
    arena.put_slice(value);
}

/// Where heads are put, call after call.
#[derive(Default)]
pub(super) struct Memory {
    /// It takes back what nobody has any more.
    arena: BytesMut,
    /// The names of the last headers.
    names: Vec<HeaderName>,
}

impl Memory {
    /// Makes room for a message's head, so that all of it is in one place.
    pub(super) fn reserve(&mut self) {
        self.arena.reserve(HEAD);
    }

    /// A copy of `text`.
    pub(super) fn keep(&mut self, text: &[u8]) -> Bytes {
        self.arena.extend_from_slice(text);
        self.arena.split().freeze()
    }
}

#[cold]
fn named(names: &mut Vec<HeaderName>, at: usize, name: &[u8]) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(name).ok()?;
    names.truncate(at.min(MOST_NAMES));
    if names.len() == at {
        names.push(name.clone());
    }
    Some(name)
}

impl Headers {
    /// Fills `map`, which is empty, with the headers of `message`.
    pub(super) fn of(message: *mut abi::Message, map: &mut HeaderMap, memory: &mut Memory) -> Self {
        let Memory { arena, names } = memory;
        // SAFETY: the message is there, and `gather` takes what it is given.
        unsafe { (gateway().headers)(message, gather, ptr::from_mut(arena).cast()) };
        let headers = Self { message, bytes: arena.split().freeze() };
        for (at, (name, value)) in headers.iter().enumerate() {
            // What a client sends has the same names as what it sent before, and looking is less than parsing.
            let known = names.get(at).filter(|known| known.as_str().as_bytes() == name).cloned();
            if let Some(name) = known.or_else(|| named(names, at, name)) {
                // SAFETY: it is the value of a header of the gateway's, which was one there.
                let value = unsafe { HeaderValue::from_maybe_shared_unchecked(headers.bytes.slice_ref(value)) };
                // A map of the gateway's is no larger than a map may be.
                let _ = map.try_append(name, value);
            }
        }
        headers
    }

    fn iter(&self) -> Iter<'_> {
        Iter(&self.bytes)
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
            let was = self.iter().filter(|(was, _)| *was == name).map(|(_, value)| value);
            let now = || map.get_all(text).iter();
            if was.eq(now().map(HeaderValue::as_bytes)) {
                continue;
            }
            // The first takes the place of those that were there, and so the header stays where it is among others.
            let mut now = now();
            // SAFETY: the message is there, and what is lent is until it returns.
            unsafe {
                match now.next() {
                    Some(value) => {
                        (gateway().set_header)(self.message, Lent::of(name), Lent::of(value.as_bytes()));
                    }
                    None => {
                        (gateway().remove_header)(self.message, Lent::of(name));
                    }
                }
            }
            now.for_each(|value| add_lent(self.message, name, value));
        }
        for (name, value) in map {
            if !done.contains(&name.as_str().as_bytes()) {
                add(self.message, name, value);
            }
        }
    }
}

/// Headers as [`gather`] has written them.
struct Iter<'b>(&'b [u8]);

impl<'b> Iterator for Iter<'b> {
    type Item = (&'b [u8], &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name_length, rest) = self.0.split_first_chunk::<{ size_of::<u32>() }>()?;
        let (value_length, rest) = rest.split_first_chunk::<{ size_of::<u32>() }>()?;
        let (name, rest) = rest.split_at_checked(u32::from_ne_bytes(*name_length) as usize)?;
        let (value, rest) = rest.split_at_checked(u32::from_ne_bytes(*value_length) as usize)?;
        self.0 = rest;
        Some((name, value))
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
