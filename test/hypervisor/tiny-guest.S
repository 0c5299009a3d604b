# The whole system of a tiny guest: counts its boots on both disks, in the second sector of each, says both counts on the
# serial line, and halts when the power button is pressed. Its machine is a q35 whose BIOS is SeaBIOS.
#   as --64 tiny-guest.S -o t.o && ld -Ttext=0x7c00 --oformat binary -o t.raw t.o && xxd -p t.raw
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
  # the power button is to be told (PM1_EN, bit 8)
  movw $0x602, %dx
  movw $0x100, %ax
  outw %ax, %dx
  movb $0x80, %dl
  call count
  movb $0x81, %dl
  call count
  movb $10, %al
  call say
  sti
wait:
  hlt
  movw $0x600, %dx
  inw %dx, %ax
  testw $0x100, %ax
  jz wait
  # sleep for good (PM1_CNT: SLP_EN, type 0)
  movw $0x604, %dx
  movw $0x2000, %ax
  outw %ax, %dx
stop:
  hlt
  jmp stop

# counts in the second sector of the disk dl, and says the count as one character from '0' on
count:
  movb $0x42, %ah
  movw $packet, %si
  int $0x13
  jc fail
  incb 0x1000
  movb $0x43, %ah
  xorb %al, %al
  movw $packet, %si
  int $0x13
  jc fail
  movb 0x1000, %al
  addb $'0', %al
  jmp say
fail:
  movb $'!', %al
say:
  movw $0x3f8, %dx
  outb %al, %dx
  ret

.balign 4
packet:
  .byte 16, 0
  .word 1
  .word 0x1000, 0
  .quad 1
