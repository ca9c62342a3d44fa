//! Shapes of functions, written down as assembler: which places are chosen, and which must not be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;
use std::process::Command;

use object::{Object, ObjectSymbol};
use rover_sites::{inspect, Action, Library, Outcome, Place, Site};

/// A library whose `SSL_read` is this; labels that begin with `at_` are kept.
struct Shape {
    library: Library,
    labels: Vec<(String, u64)>,
}

impl Shape {
    /// None, and a line that says why, where no assembler is.
    fn of(name: &str, ssl_read: &str) -> Option<Shape> {
        let folder = std::env::temp_dir();
        let source: PathBuf = folder.join(format!("rover-sites-{name}-{}.s", std::process::id()));
        let library = source.with_extension("so");
        let text = format!(
            ".intel_syntax noprefix\n.text\n\
             .globl SSL_read, SSL_write, SSL_do_handshake\n.type SSL_do_handshake, @function\n\
             SSL_do_handshake: xor eax, eax\n ret\n.type SSL_read, @function\n.type SSL_write, @function\n\
             SSL_read:\n{ssl_read}\n.size SSL_read, .-SSL_read\n\
             SSL_write:\n push rbx\n call SSL_read@plt\n pop rbx\n ret\n.size SSL_write, .-SSL_write\n"
        );
        std::fs::write(&source, text).unwrap();
        let status = Command::new("gcc").args(["-shared", "-nostdlib", "-o"]).arg(&library).arg(&source).status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("skipped: gcc cannot assemble");
            return None;
        }
        let data = std::fs::read(&library).unwrap();
        let elf = object::File::parse(data.as_slice()).unwrap();
        let labels = elf.symbols().filter_map(|it| Some((it.name().ok()?.to_string(), it.address()))).collect();
        let found = inspect(&library).unwrap().unwrap();
        let _ = (std::fs::remove_file(&source), std::fs::remove_file(&library));
        Some(Shape { library: found, labels })
    }

    fn sites(&self, action: Action) -> Vec<(&str, &Site)> {
        let sites = self.library.sites.iter().filter(|site| site.action == action && site.function == "SSL_read");
        sites.map(|site| (self.label(site.address), site)).collect()
    }

    fn label(&self, address: u64) -> &str {
        let label = self.labels.iter().find(|(name, at)| *at == address && name.starts_with("at_"));
        label.map_or("?", |(name, _)| name)
    }

    fn places(&self, action: Action) -> Vec<&str> {
        self.sites(action).into_iter().map(|(label, _)| label).collect()
    }
}

#[test]
fn the_first_jump_with_the_arguments_intact_and_the_last_with_the_result() {
    let Some(shape) = Shape::of(
        "plain",
        " sub rsp, 24\n test edx, edx\nat_begin: js 1f\n call helper\n test eax, eax\n jle 2f\n mov eax, [rsp]\n\
         2: mov rdx, [rsp+8]\n cmp rdx, rdx\nat_end: jne 3f\n add rsp, 24\n ret\n\
         1: mov eax, -1\n jmp 2b\n3: hlt\nhelper: ret",
    ) else {
        return;
    };
    assert_eq!(shape.places(Action::ReadEnter), ["at_begin"]);
    assert_eq!(shape.places(Action::ReadLeave), ["at_end"]);
    let (_, site) = shape.sites(Action::ReadLeave)[0];
    assert_eq!((site.result, site.result_bytes, site.frame_offset), (Place::Register(0), 4, Some(24)));
}

#[test]
fn a_lost_argument_leaves_only_the_entry() {
    let Some(shape) = Shape::of(
        "lost",
        "at_begin: mov rdi, [rdi+8]\n push rbx\n call helper\nat_end: jmp 1f\n1: pop rbx\n ret\nhelper: ret",
    ) else {
        return;
    };
    let sites = shape.sites(Action::ReadEnter);
    assert_eq!(sites[0].0, "at_begin");
    assert!(!sites[0].1.is_emulated);
}

#[test]
fn an_argument_that_is_moved_on_is_followed() {
    let Some(shape) =
        Shape::of("moved", " mov r8, rdx\n xor edx, edx\nat_begin: call helper\nat_end: jmp 1f\n1: ret\nhelper: ret")
    else {
        return;
    };
    let (label, site) = shape.sites(Action::ReadEnter)[0];
    assert_eq!((label, site.is_emulated), ("at_begin", true));
    assert_eq!([site.arguments.session, site.arguments.buffer, site.arguments.length], [Some(0), Some(1), Some(4)]);
}

#[test]
fn the_head_of_a_loop_is_no_beginning() {
    let Some(shape) = Shape::of("loop", "at_begin: sub rsp, 8\nat_loop: jmp 1f\n1: dec edx\n jnz at_loop\n call helper\nat_end: jmp 2f\n2: add rsp, 8\n ret\nhelper: ret")
    else {
        return;
    };
    assert_eq!(shape.places(Action::ReadEnter), ["at_begin"]);
    assert!(!shape.sites(Action::ReadEnter)[0].1.is_emulated);
}

/// The result is known before the payload is there: such a place is too early, and the return must serve.
#[test]
fn a_result_that_is_known_before_the_copy_is_told_after_it() {
    let Some(shape) = Shape::of(
        "copy",
        " push rbx\n mov ebx, edx\nat_early: jmp 1f\n1: call helper\n mov eax, ebx\n pop rbx\nat_end: ret\nhelper: ret",
    ) else {
        return;
    };
    assert_eq!(shape.places(Action::ReadLeave), ["at_end"]);
    assert!(!shape.sites(Action::ReadLeave)[0].1.is_emulated);
}

#[test]
fn a_result_in_another_register_and_on_the_stack() {
    let Some(shape) = Shape::of(
        "elsewhere",
        " push rbx\n sub rsp, 16\n call helper\n mov [rsp+8], eax\nat_end: jmp 1f\n1: mov ebx, [rsp+8]\n add rsp, 16\n mov eax, ebx\n pop rbx\n ret\nhelper: ret",
    ) else {
        return;
    };
    let (label, site) = shape.sites(Action::ReadLeave)[0];
    assert_eq!((label, site.result, site.frame_offset), ("at_end", Place::Stack(-16), Some(24)));
}

#[test]
fn a_count_on_the_stack_that_only_success_returns() {
    let Some(shape) = Shape::of(
        "count",
        " sub rsp, 24\n call helper\n test eax, eax\nat_end: jle 1f\n mov eax, [rsp+4]\n1: add rsp, 24\n ret\nhelper: ret",
    ) else {
        return;
    };
    let (label, site) = shape.sites(Action::ReadLeave)[0];
    assert_eq!((label, site.outcome), ("at_end", Outcome::OkAndCountOnStack { offset: -20 }));
    assert!(site.is_last);
}

/// 0 goes on here: only what is below it ends the call.
#[test]
fn a_jump_on_the_sign_tells_failures_by_their_sign() {
    let Some(shape) = Shape::of(
        "sign",
        " sub rsp, 8\n call helper\n test eax, eax\nat_failure: js 1f\n call helper\nat_end: jmp 1f\n1: add rsp, 8\n ret\nhelper: ret",
    ) else {
        return;
    };
    let sites = shape.sites(Action::ReadLeave);
    assert_eq!(sites.iter().map(|(label, _)| *label).collect::<Vec<_>>(), ["at_failure", "at_end"]);
    assert_eq!(sites[0].1.outcome, Outcome::FailedIfNegative);
    assert_eq!(sites[1].1.outcome, Outcome::CountInResult);
}

/// One return is for failures only: it may be dear, as it is not on the way of what matters.
#[test]
fn a_return_for_failures_only_is_said_to_be_one() {
    let Some(shape) = Shape::of(
        "failure",
        " sub rsp, 8\n cmp dword ptr [rdi], 0\n je 1f\n call helper\nat_end: jmp 2f\n2: add rsp, 8\n ret\n\
         1: mov eax, -1\n add rsp, 8\nat_failure: ret\nhelper: ret",
    ) else {
        return;
    };
    let sites = shape.sites(Action::ReadLeave);
    assert_eq!(sites.iter().map(|(label, _)| *label).collect::<Vec<_>>(), ["at_end", "at_failure"]);
    assert_eq!(sites[1].1.outcome, Outcome::Failed);
}

#[test]
fn a_jump_table_is_followed() {
    let Some(shape) = Shape::of(
        "table",
        " push rbx\n cmp esi, 1\n ja 1f\n lea rcx, [rip+table]\n movsxd rax, dword ptr [rcx+rsi*4]\n add rax, rcx\n jmp rax\n\
         2: call helper\nat_one: jmp 1f\n3: call helper\nat_other: jmp 1f\n1: pop rbx\n ret\nhelper: ret\n\
         .section .rodata\ntable: .long 2b-table, 3b-table\n.text",
    ) else {
        return;
    };
    let places = shape.places(Action::ReadLeave);
    assert!(!places.is_empty() && shape.library.sites.iter().all(|site| !site.is_return_probe), "{:?}", shape.library);
}

/// Nobody knows where it leads: a return probe is the last resort, and is said.
#[test]
fn code_that_is_not_understood_gets_a_return_probe_and_a_note() {
    let Some(shape) = Shape::of("unknown", "at_begin: push rbx\n jmp [rdi+rsi*8]\n pop rbx\n ret") else { return };
    let sites = shape.sites(Action::ReadLeave);
    assert!(sites.iter().all(|(_, site)| site.is_return_probe));
    assert!(shape.library.notes.iter().any(|note| note.starts_with("SSL_read:")), "{:?}", shape.library.notes);
}
