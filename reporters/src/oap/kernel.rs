//! A socket operation as an OAP kernel log.

use super::wire::{push_integer, push_message};
use super::UNLISTED;
use crate::record::{Operation, Syscall};

/// Appends the fields of an `EBPFTimestamp`.
///
/// The offset is a message within a message; at zero nanoseconds its field is absent, not its messages.
pub fn push_timestamp(out: &mut Vec<u8>, boot_ns: u64) {
    push_message(out, 1, |out| push_integer(out, 1, boot_ns));
}

/// Appends the fields of an `AccessLogKernelLog`: exactly one operation, always.
pub fn push_kernel_log(out: &mut Vec<u8>, operation: &Operation) {
    let field = if operation.is_write { 5 } else { 4 };
    push_message(out, field, |out| {
        push_message(out, 1, |out| push_timestamp(out, operation.start_ns.unwrap_or(operation.end_ns)));
        push_message(out, 2, |out| push_timestamp(out, operation.end_ns));
        if operation.is_write {
            push_integer(out, 3, write_number(operation.syscall));
            // L4: total package size
            push_message(out, 4, |out| push_integer(out, 5, operation.bytes));
        } else {
            push_integer(out, 3, read_number(operation.syscall));
            // L2: total package size. OAP takes read sizes from here, and the reference agent puts the bytes read.
            push_message(out, 4, |out| push_integer(out, 3, operation.bytes));
        }
    });
}

fn read_number(syscall: Syscall) -> u64 {
    match syscall {
        Syscall::Read => 0,
        Syscall::Readv => 1,
        Syscall::Recvfrom => 3,
        Syscall::Recvmsg => 4,
        Syscall::Recvmmsg => 5,
        _ => UNLISTED,
    }
}

fn write_number(syscall: Syscall) -> u64 {
    match syscall {
        Syscall::Write => 0,
        Syscall::Writev => 1,
        Syscall::Sendto => 3,
        Syscall::Sendmsg => 4,
        Syscall::Sendmmsg => 5,
        Syscall::Sendfile => 6,
        _ => UNLISTED,
    }
}
