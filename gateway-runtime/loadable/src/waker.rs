//! Wakers, lent to the other side and taken from it.

use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

use crate::abi;

/// `waker` for the other side, for as long as it is borrowed.
pub(crate) fn lend(waker: &Waker) -> abi::Waker {
    abi::Waker { data: ptr::from_ref(waker).cast(), functions: &raw const LENT }
}

static LENT: abi::WakerFunctions =
    abi::WakerFunctions { clone: clone_of, wake: wake_lent, wake_by_ref: wake_lent, release: release_lent };
static OWN: abi::WakerFunctions =
    abi::WakerFunctions { clone: clone_of, wake: wake_own, wake_by_ref: wake_lent, release: release_own };

unsafe extern "C" fn clone_of(data: *const c_void) -> abi::Waker {
    // SAFETY: both tables are used with a pointer to a waker that is there.
    let waker = unsafe { &*data.cast::<Waker>() };
    abi::Waker { data: Box::into_raw(Box::new(waker.clone())).cast(), functions: &raw const OWN }
}

unsafe extern "C" fn wake_lent(data: *const c_void) {
    // SAFETY: as above.
    unsafe { &*data.cast::<Waker>() }.wake_by_ref();
}

unsafe extern "C" fn release_lent(_data: *const c_void) {}

unsafe extern "C" fn wake_own(data: *const c_void) {
    // SAFETY: it was made by `clone_of`, and this ends it.
    unsafe { Box::from_raw(data.cast::<Waker>().cast_mut()) }.wake();
}

unsafe extern "C" fn release_own(data: *const c_void) {
    // SAFETY: it was made by `clone_of`, and this ends it.
    drop(unsafe { Box::from_raw(data.cast::<Waker>().cast_mut()) });
}

/// The other side's waker, for the time of a poll. Its clones are its own.
pub(crate) struct Borrowed(ManuallyDrop<Waker>);

impl Borrowed {
    /// # Safety
    /// `waker` is null, or a waker that the other side keeps until this is dropped.
    pub(crate) unsafe fn new(waker: *const abi::Waker) -> Self {
        if waker.is_null() {
            return Self(ManuallyDrop::new(Waker::noop().clone()));
        }
        // SAFETY: `data` of BORROWED is a waker that is there for as long as this is.
        Self(ManuallyDrop::new(unsafe { Waker::new(waker.cast(), &BORROWED) }))
    }
}

impl Deref for Borrowed {
    type Target = Waker;

    fn deref(&self) -> &Waker {
        &self.0
    }
}

/// Its data is the other side's waker where it lies.
static BORROWED: RawWakerVTable = RawWakerVTable::new(clone_foreign, wake_foreign_by_ref, wake_foreign_by_ref, |_| {});
/// Its data is a box of a clone.
static FOREIGN: RawWakerVTable = RawWakerVTable::new(clone_foreign, wake_foreign, wake_foreign_by_ref, release_foreign);

unsafe fn clone_foreign(data: *const ()) -> RawWaker {
    // SAFETY: both tables have a pointer to the other side's waker as their data.
    let waker = unsafe { &*data.cast::<abi::Waker>() };
    // SAFETY: its functions are there as long as it is.
    let clone = unsafe { ((*waker.functions).clone)(waker.data) };
    RawWaker::new(Box::into_raw(Box::new(clone)).cast(), &FOREIGN)
}

unsafe fn wake_foreign_by_ref(data: *const ()) {
    // SAFETY: as in `clone_foreign`.
    let waker = unsafe { &*data.cast::<abi::Waker>() };
    // SAFETY: as in `clone_foreign`.
    unsafe { ((*waker.functions).wake_by_ref)(waker.data) };
}

unsafe fn wake_foreign(data: *const ()) {
    // SAFETY: it was boxed by `clone_foreign`, and this ends it.
    let waker = unsafe { Box::from_raw(data.cast::<abi::Waker>().cast_mut()) };
    // SAFETY: it is ours, and `wake` ends it.
    unsafe { ((*waker.functions).wake)(waker.data) };
}

unsafe fn release_foreign(data: *const ()) {
    // SAFETY: it was boxed by `clone_foreign`, and this ends it.
    let waker = unsafe { Box::from_raw(data.cast::<abi::Waker>().cast_mut()) };
    // SAFETY: it is ours, and `release` ends it.
    unsafe { ((*waker.functions).release)(waker.data) };
}
