# Each jump is short only if the next one is: growth runs through all of them.
a:      jmp b
        .skip 125
        jmp c
b:      .skip 121
        jne d
c:      .skip 126
        jmp a
        call d
d:      je b
        jmp d
