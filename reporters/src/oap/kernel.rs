//! A socket operation as an OAP kernel log, with the figures of the layers below it.
//!
//! proto3 has no absence for a number, and OAP adds up or averages the zero that it reads instead. So:
//! - A figure that no hook measured is not written, and a layer of which nothing is known has no message. OAP's averages
//!   (layer times, queue entries) count it as 0 and are too low by the share of such operations, which is all of them
//!   where the kernel offers no such hook. To hold the log back would lose what is known: the call, its time, its
//!   bytes. To fill in a mean would be a guess.
//! - A layer that was measured has its message even where every figure is zero, as the reference agent writes it: so
//!   a backend that looks can tell the two apart.
//! - Sizes are those of the operation, for reads in the field of L2, because OAP takes read sizes from there and
//!   the reference agent counts payload in it too. What the packets weigh with their heads (`packet_bytes`) has no field.
//! - Packets are those on the wire; the reference agent counts what leaves TCP, before it is segmented.
//! - Losses have a field in L4 of writes alone. They are known for the exchange, so its last write tells them; those on
//!   the way in are left out, a loss of the other direction is not this write's.

use super::UNLISTED;
use crate::layers::{Read, Write};
use crate::record::{Dropped, Operation, Syscall};
use crate::wire::{push_integer, push_message, push_text};

/// Appends the fields of an `EBPFTimestamp`.
///
/// The offset is a message within a message; at zero nanoseconds its field is absent, not its messages.
pub fn push_timestamp(out: &mut Vec<u8>, boot_ns: u64) {
    push_message(out, 1, |out| push_integer(out, 1, boot_ns));
}

/// Appends start and end, the first two fields of every operation. OAP subtracts and believes what comes out, so an
/// end that two clocks put before its start becomes the start.
pub fn push_times(out: &mut Vec<u8>, start_ns: u64, end_ns: u64) {
    push_message(out, 1, |out| push_timestamp(out, start_ns.min(end_ns)));
    push_message(out, 2, |out| push_timestamp(out, end_ns));
}

/// Appends the fields of an `AccessLogKernelLog`: exactly one operation, always. A read has no field for `drops`.
pub fn push_kernel_log(out: &mut Vec<u8>, operation: &Operation, drops: &[Dropped]) {
    let field = if operation.is_write { 5 } else { 4 };
    push_message(out, field, |out| {
        push_times(out, operation.start_ns.unwrap_or(operation.end_ns), operation.end_ns);
        if operation.is_write {
            push_write(out, operation, drops);
        } else {
            push_read(out, operation);
        }
    });
}

/// From L4 down to L2.
fn push_write(out: &mut Vec<u8>, operation: &Operation, drops: &[Dropped]) {
    let figure = |figure| operation.layers.write(figure);
    push_integer(out, 3, write_number(operation.syscall));
    push_message(out, 4, |out| {
        push_integer(out, 1, figure(Write::L4Ns).unwrap_or_default());
        push_integer(out, 2, as_int64(figure(Write::Packets).unwrap_or_default()));
        push_integer(out, 3, as_int64(figure(Write::Retransmits).unwrap_or_default()));
        for drop in drops {
            push_message(out, 4, |out| push_drop(out, drop));
        }
        push_integer(out, 5, as_int64(operation.bytes));
    });
    let l3 = [
        (1, figure(Write::L3Ns)),
        (2, figure(Write::L3LocalNs)),
        (3, figure(Write::L3OutputNs)),
        // 4 was never given out.
        (5, figure(Write::ResolveCount)),
        (6, figure(Write::ResolveNs)),
        (7, figure(Write::NetfilterCount)),
        (8, figure(Write::NetfilterNs)),
    ];
    push_layer(out, 5, &l3);
    let l2 = [
        (1, figure(Write::L2Ns)),
        (2, interface(operation)),
        (3, figure(Write::QueueEntries)),
        (4, figure(Write::L2ReadyNs)),
        (5, figure(Write::L2SendNs)),
    ];
    push_layer(out, 6, &l2);
}

/// From L2 up to L4, the reverse of a write.
fn push_read(out: &mut Vec<u8>, operation: &Operation) {
    let figure = |figure| operation.layers.read(figure);
    push_integer(out, 3, read_number(operation.syscall));
    let l2 = [
        (1, interface(operation)),
        (2, figure(Read::Packets).map(|packets| packets.min(u64::from(u32::MAX)))),
        (3, Some(operation.bytes)),
        (4, figure(Read::L2ToQueueNs)),
        (5, figure(Read::QueueWaitNs)),
    ];
    push_layer(out, 4, &l2);
    let l3 = [
        (1, figure(Read::L3Ns)),
        (2, figure(Read::L3ReceiveNs)),
        (3, figure(Read::L3LocalNs)),
        (4, figure(Read::NetfilterCount)),
        (5, figure(Read::NetfilterNs)),
    ];
    push_layer(out, 5, &l3);
    push_layer(out, 6, &[(1, figure(Read::L4Ns))]);
}

/// Appends a message of integers, unless none of them is known.
fn push_layer(out: &mut Vec<u8>, field: u32, figures: &[(u32, Option<u64>)]) {
    if figures.iter().any(|(_, value)| value.is_some()) {
        push_message(out, field, |out| {
            for (number, value) in figures {
                push_integer(out, *number, value.unwrap_or_default());
            }
        });
    }
}

/// Appends the fields of an `AccessLogLossPackageMetrics`. Its one text has to say where and why.
fn push_drop(out: &mut Vec<u8>, drop: &Dropped) {
    push_text(out, 1, &format!("{}:{}", drop.location, drop.reason));
    push_integer(out, 2, drop.count.min(i32::MAX as u64));
}

/// The kernel numbers interfaces from 1.
fn interface(operation: &Operation) -> Option<u64> {
    Some(u64::from(operation.interface)).filter(|index| *index > 0)
}

/// Some counts are signed on the wire: more than fits would come out negative.
fn as_int64(value: u64) -> u64 {
    value.min(i64::MAX as u64)
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
