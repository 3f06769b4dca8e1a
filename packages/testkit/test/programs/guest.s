# Labels, jumps of both lengths, data and padding, as a test guest would use them.
STACK_BYTES = 256
.equ FLAG, 1 << 3
start:
        mov esp, offset stack + STACK_BYTES
        mov eax, FLAG
        jmp far_code
table:  .long start, far_code, table + 4, -1
        .word 1, 0xffff, -2
        .byte 'a', '\n', 0x80, -1, FLAG | 1
        .ascii "no zero; # not a comment"
        .asciz "zero\tat the end"
        .balign 16, 0xcc
1:      dec ecx
        jnz 1b
        jz 2f
        call subroutine
2:      jmp dword ptr [table + ecx*4 + 4]; nop
        mov eax, [table]
        mov byte ptr [table+1], 'z'
        push offset subroutine - start
        cmp eax, offset table - start
        jecxz 2b
        loop 1b
        .skip 120
        ja start              # too far for a short jump
        jbe 1f
        .skip 124, 0x90
        jmp nearby
        lea esi, [ebx+edi*2+table]
1:      .skip 3
nearby: jc nearby
subroutine:
        ret 4
        .balign 4, 0
        .long . - start, end - subroutine
far_code:
        jmp 0x10:subroutine
        call 0xe008:start
        lock cmpxchg [table], edx
        rep movsd
        repne scasb
        fs lodsd
        int 0x82
end:
        iretd
stack:  .zero STACK_BYTES
