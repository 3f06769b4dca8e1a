/* Selectors of the bare kernel's GDT. */
#define GDT_KERNEL_CODE 0x08
#define GDT_KERNEL_DATA 0x10
#define GDT_USER_CODE 0x18
#define GDT_USER_DATA 0x20
#define GDT_TASK 0x28
#define GDT_ENTRIES 6
