/* libcapstone.a has the disassemblers of twelve architectures, and its core refers to all of them.
   These stand for those that are not asked for, which spares five megabytes;
   cs_open(3) of one fails. */
#define ABSENT(arch)                                               \
  int arch##_global_init(void* handle) {                           \
    (void)handle;                                                  \
    return 2; /* CS_ERR_ARCH */                                    \
  }                                                                \
  int arch##_option(void* handle, int type, unsigned long value) { \
    (void)handle;                                                  \
    (void)type;                                                    \
    (void)value;                                                   \
    return 2;                                                      \
  }

ABSENT(ARM)
ABSENT(AArch64)
ABSENT(Mips)
ABSENT(PPC)
ABSENT(Sparc)
ABSENT(SystemZ)
ABSENT(XCore)
ABSENT(M68K)
ABSENT(TMS320C64x)
ABSENT(M680X)
ABSENT(EVM)

/* Nobody asks for instructions as text in the syntax of AT&T. */
void X86_ATT_printInst(void* instruction, void* out, void* info) {
  (void)instruction;
  (void)out;
  (void)info;
}
