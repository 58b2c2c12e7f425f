//! The libvirt calls the `virt` crate does not offer usably: lifecycle events, what a completed job came to, and the state
//! of a domain with its error (`Domain::state` drops it and answers with a made-up state).
#![allow(unsafe_code, reason = "C calls without a safe wrapper; all of the crate's unsafe code is in this file")]

use std::ffi::{CStr, c_char, c_int, c_void};

use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::Error;
use virt_sys as sys;

/// One lifecycle event as libvirt tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lifecycle {
    pub(super) uuid: String,
    pub(super) name: String,
    pub(super) event: u32,
    pub(super) detail: u32,
}

/// A job that was completed: for a migration, at its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) uuid: String,
    pub(super) name: String,
    /// What was sent, in bytes; `None` where it is not told.
    pub(super) sent: Option<u64>,
}

type Handler = Box<dyn Fn(Lifecycle) + Send + Sync>;
type JobHandler = Box<dyn Fn(Job) + Send + Sync>;
type Generic = unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, *mut c_void);

/// State and reason of a domain as libvirt numbers them.
pub(super) fn state(domain: &Domain) -> Result<(u32, u32), Error> {
    let (mut state, mut reason) = (0, 0);
    // SAFETY: the pointer is valid while `domain` lives; both targets outlive the call.
    let result = unsafe { sys::virDomainGetState(domain.as_ptr(), &raw mut state, &raw mut reason, 0) };
    match (result, u32::try_from(state), u32::try_from(reason)) {
        (0, Ok(state), Ok(reason)) => Ok((state, reason)),
        _ => Err(Error::last_error()),
    }
}

/// Asks the job of a domain to end.
pub(super) fn abort_job(domain: &Domain) -> Result<(), Error> {
    // SAFETY: the pointer is valid while `domain` lives.
    match unsafe { sys::virDomainAbortJob(domain.as_ptr()) } {
        0 => Ok(()),
        _ => Err(Error::last_error()),
    }
}

/// Has `handler` called for every lifecycle event of this connection, from the event loop's thread. Must not block.
pub(super) fn on_lifecycle(connection: &Connect, handler: Handler) -> Result<c_int, Error> {
    type Callback = unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, c_int, c_int, *mut c_void) -> c_int;
    // SAFETY: libvirt wants the callback of each event kind cast to the generic type and calls it as what it is.
    let generic = unsafe { std::mem::transmute::<Callback, Generic>(lifecycle) };
    register(connection, sys::VIR_DOMAIN_EVENT_ID_LIFECYCLE, generic, handler)
}

/// Has `handler` called for every job of a domain that is completed, in the same way.
pub(super) fn on_job(connection: &Connect, handler: JobHandler) -> Result<c_int, Error> {
    type Callback =
        unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, sys::virTypedParameterPtr, c_int, *mut c_void);
    // SAFETY: as above.
    let generic = unsafe { std::mem::transmute::<Callback, Generic>(job) };
    register(connection, sys::VIR_DOMAIN_EVENT_ID_JOB_COMPLETED, generic, handler)
}

/// `H` is what the callback takes its opaque pointer for.
fn register<H>(connection: &Connect, kind: u32, callback: Generic, handler: H) -> Result<c_int, Error> {
    let opaque = Box::into_raw(Box::new(handler)).cast::<c_void>();
    // SAFETY: a null domain means all domains; `opaque` is given back once, to `release`, by libvirt.
    let id = unsafe {
        let everything = std::ptr::null_mut();
        let connection = connection.as_ptr();
        let kind = kind.cast_signed();
        sys::virConnectDomainEventRegisterAny(connection, everything, kind, Some(callback), opaque, Some(release::<H>))
    };
    if id >= 0 {
        return Ok(id);
    }
    let error = Error::last_error();
    // SAFETY: registration failed, so libvirt neither keeps nor frees it.
    unsafe { release::<H>(opaque) };
    Err(error)
}

/// Ends what [`on_lifecycle`] or [`on_job`] began; on a dead connection only the local part, which is enough.
pub(super) fn forget(connection: &Connect, id: c_int) {
    // SAFETY: the id came from this connection.
    let result = unsafe { sys::virConnectDomainEventDeregisterAny(connection.as_ptr(), id) };
    if result < 0 {
        tracing::debug!(error = %Error::last_error(), "events not deregistered");
    }
}

unsafe extern "C" fn release<H>(opaque: *mut c_void) {
    // SAFETY: made by `Box::into_raw` of an `H` in `register`, given back once.
    drop(unsafe { Box::from_raw(opaque.cast::<H>()) });
}

unsafe extern "C" fn lifecycle(
    _connection: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    event: c_int,
    detail: c_int,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: `opaque` is the handler until `release`; `domain` is valid during the callback.
    let (handler, named) = unsafe { (&*opaque.cast::<Handler>(), named(domain)) };
    if let Some((uuid, name)) = named {
        handler(Lifecycle { uuid, name, event: event.cast_unsigned(), detail: detail.cast_unsigned() });
    }
    0
}

unsafe extern "C" fn job(
    _connection: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    params: sys::virTypedParameterPtr,
    count: c_int,
    opaque: *mut c_void,
) {
    // SAFETY: as above.
    let (handler, named) = unsafe { (&*opaque.cast::<JobHandler>(), named(domain)) };
    let mut sent = 0;
    // SAFETY: the parameters are valid during the callback, and `sent` outlives the call.
    let told = unsafe {
        sys::virTypedParamsGetULLong(params, count, sys::VIR_DOMAIN_JOB_DATA_PROCESSED.as_ptr(), &raw mut sent)
    };
    if let Some((uuid, name)) = named {
        handler(Job { uuid, name, sent: (told == 1).then_some(sent) });
    }
}

/// UUID and name of a domain.
///
/// # Safety
/// The pointer must be valid.
unsafe fn named(domain: sys::virDomainPtr) -> Option<(String, String)> {
    // SAFETY: the caller's; both calls only read what it holds.
    unsafe {
        let mut uuid = [0 as c_char; sys::VIR_UUID_STRING_BUFLEN as usize];
        let name = sys::virDomainGetName(domain);
        let known = sys::virDomainGetUUIDString(domain, uuid.as_mut_ptr()) == 0 && !name.is_null();
        let text = |p: *const c_char| CStr::from_ptr(p).to_string_lossy().into_owned();
        known.then(|| (text(uuid.as_ptr()), text(name)))
    }
}
