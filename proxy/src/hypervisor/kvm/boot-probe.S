# The program of acceleration.ts: a boot sector that brings a processor to where an operating system begins its work, in
# 64 bits with paging, has it take a thousand exceptions, writes some memory, and says 42 to the port 0xf4.
#   as --64 boot-probe.S -o probe.o && ld -Ttext=0x7c00 --oformat binary -o probe.raw probe.o && xxd -p probe.raw
.code16
.globl _start
_start:
  cli
  cld
  ljmp $0, $begin
begin:
  xorw %ax, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movw $0x7c00, %sp
  # three pages of tables at 0x1000: one large page maps the first 2 MB on itself
  movw $0x1000, %di
  movw $0x1800, %cx
  rep stosw
  movw $0x2003, 0x1000
  movw $0x3003, 0x2000
  movw $0x0083, 0x3000
  # an interrupt table at 0x5000 with a handler for exception 6
  movw $0x5000, %di
  movw $0x100, %cx
  rep stosw
  movw $handler, 0x5060
  movw $8, 0x5062
  movw $0x8e00, 0x5064
  lgdt gdtr
  lidt idtr
  movl $0xa0, %eax
  movl %eax, %cr4
  movl $0x1000, %eax
  movl %eax, %cr3
  movl $0xc0000080, %ecx
  rdmsr
  orw $0x100, %ax
  wrmsr
  movl %cr0, %eax
  orl $0x80000001, %eax
  movl %eax, %cr0
  ljmp $8, $long
.code64
long:
  movl $16, %eax
  movl %eax, %ds
  movl %eax, %ss
  movl $0x7c00, %esp
  xorl %ebx, %ebx
  movl $1000, %ebp
again:
  ud2
  movq %cr3, %rax
  movq %rax, %cr3
  decl %ebp
  jnz again
  # half a megabyte written and summed
  movl $0x10000, %edi
  movl $0x10000, %ecx
  movl $1, %eax
  rep stosq
  cmpl $1000, %ebx
  jne fail
  movb $42, %al
  jmp tell
fail:
  movb $1, %al
tell:
  movw $0xf4, %dx
  outb %al, %dx
stop:
  hlt
  jmp stop
handler:
  incl %ebx
  addq $2, (%rsp)
  iretq
.balign 8
gdt:
  .quad 0
  .quad 0x00209a0000000000
  .quad 0x0000920000000000
gdtr:
  .word 23
  .long gdt
idtr:
  .word 0x3ff
  .long 0x5000
