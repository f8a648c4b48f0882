//! The keys of a keytab. `gss_acquire_cred_from` is the library's only way to name one that does not change the environment of the
//! whole process, and no binding has it.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use libgssapi::credential::Cred;
use libgssapi::error::{Error, MajorFlags};
use libgssapi_sys::{
    GSS_C_ACCEPT, GSS_S_COMPLETE, gss_OID_desc, gss_OID_set_desc, gss_acquire_cred_from, gss_key_value_element_desc,
    gss_key_value_set_desc,
};

/// Kerberos, 1.2.840.113554.1.2.2 (RFC 4121 §1), without its tag. SPNEGO must not be taken (RFC 4752 §3), and IAKERB would have us
/// ask servers.
static KERBEROS: [u8; 9] = *b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";

/// Credentials to accept with, for every service in the keytab.
pub fn credentials(keytab: &Path) -> Result<Cred, Error> {
    let no_such_name = Error { major: MajorFlags::GSS_S_BAD_NAME, minor: 0 };
    let keytab = CString::new(keytab.as_os_str().as_bytes()).map_err(|_| no_such_name)?;
    let mut pair = gss_key_value_element_desc { key: c"keytab".as_ptr(), value: keytab.as_ptr() };
    let store = gss_key_value_set_desc { count: 1, elements: &mut pair };
    let mut kerberos = gss_OID_desc { length: 9, elements: KERBEROS.as_ptr().cast_mut().cast() };
    let mut mechanisms = gss_OID_set_desc { count: 1, elements: &mut kerberos };
    let (mut minor, mut acquired) = (0, ptr::null_mut());
    // SAFETY: every pointer is to a value above that outlives the call, or null where the interface allows that (no name: any
    // service; results that nobody wants). The library copies what it keeps, and writes to `minor` and `acquired` only.
    let major = unsafe {
        gss_acquire_cred_from(
            &mut minor,
            ptr::null_mut(),
            u32::MAX,
            &mut mechanisms,
            GSS_C_ACCEPT as i32,
            &store,
            &mut acquired,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    if major != GSS_S_COMPLETE {
        return Err(Error { major: MajorFlags::from_bits_retain(major), minor });
    }
    // SAFETY: the call was a success, so `acquired` is a credential, and nobody else has it.
    Ok(unsafe { Cred::from_c(acquired) })
}
