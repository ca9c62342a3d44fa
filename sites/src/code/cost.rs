//! Which instructions the kernel emulates under a uprobe.
//!
//! arch/x86/kernel/uprobes.c: `branch_setup_xol_ops` (since 3.15: jump, call, conditional jump, one-byte nop) and
//! `push_setup_xol_ops` (since 4.15). Newer kernels emulate more; what they add is not used here, so that the places of
//! a file are the same everywhere.

/// Whether the instruction of these bytes is emulated; `len` is its length.
pub(super) fn is_emulated(bytes: &[u8], len: usize) -> bool {
    let Some(bytes) = bytes.get(..len) else { return false };
    match bytes {
        // push of a general register, with REX.B or without prefix
        [0x50..=0x57] | [0x41, 0x50..=0x57] => true,
        [0x90] | [0x66, 0x90] => true,
        // bnd, from before CET: ignored by processors and by the emulation
        [0xf2, rest @ ..] => is_near_branch(rest),
        _ => is_near_branch(bytes),
    }
}

/// jmp, call and jcc with a displacement and no prefix.
fn is_near_branch(bytes: &[u8]) -> bool {
    matches!(bytes, [0xeb, _] | [0x70..=0x7f, _] | [0xe8 | 0xe9, _, _, _, _] | [0x0f, 0x80..=0x8f, _, _, _, _])
}

#[cfg(test)]
mod tests {
    use super::is_emulated;

    fn emulated(bytes: &[u8]) -> bool {
        is_emulated(bytes, bytes.len())
    }

    #[test]
    fn what_the_kernel_emulates() {
        assert!(emulated(&[0x55]), "push rbp");
        assert!(emulated(&[0x41, 0x57]), "push r15");
        assert!(emulated(&[0x90]), "nop");
        assert!(emulated(&[0x7e, 0x03]), "jle");
        assert!(emulated(&[0x0f, 0x85, 1, 2, 3, 4]), "jne near");
        assert!(emulated(&[0xe8, 1, 2, 3, 4]), "call");
        assert!(emulated(&[0xe9, 1, 2, 3, 4]), "jmp");
    }

    #[test]
    fn what_it_single_steps() {
        assert!(!emulated(&[0xc3]), "ret");
        assert!(!emulated(&[0x48, 0x83, 0xec, 0x18]), "sub rsp");
        assert!(!emulated(&[0xf3, 0x0f, 0x1e, 0xfa]), "endbr64");
        assert!(!emulated(&[0x0f, 0x1f, 0x40, 0x00]), "long nop");
        assert!(!emulated(&[0xff, 0xe0]), "jmp rax");
        assert!(!emulated(&[0x66, 0xe8, 1, 2]), "callw: refused by the kernel");
        assert!(!emulated(&[0x6a, 0x01]), "push of an immediate");
        assert!(!emulated(&[0x48, 0x55]), "push with a needless REX.W");
    }
}
