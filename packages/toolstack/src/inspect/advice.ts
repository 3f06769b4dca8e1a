import type { XenInfo } from '../elf/xen-info.ts';
import type { FileKind } from './file-kind.ts';
import type { ImageReport } from './inspect.ts';

type Facts = Omit<ImageReport, 'boot'>;

const KERNEL = 'name a 32-bit Xen PV kernel (ELF or bzImage)';
const AS_DISK = 'this is a disk, not a kernel: give it to one';

/** What to do with files that are no kernels. */
const FOR_KIND: Readonly<Partial<Record<FileKind, string>>> = {
  empty: 'a download or a build may have failed: make the file anew, or take GRUB to try (domu fetch grub)',
  script: `a script runs on the host or inside a guest; ${KERNEL} or an xl.cfg file`,
  text: `this is text; ${KERNEL}, or an xl.cfg file with a line kernel = "FILE"`,
  cpio: 'this is an initial RAM disk: give it to a kernel (domu run KERNEL --ramdisk FILE, or domu run guest-kernel --rootfs FILE)',
  tar: 'this is an archive: unpack it, or use it as a root file system (domu run guest-kernel --rootfs FILE)',
  deb: 'this is a Debian package: unpack it (dpkg-deb -x FILE DIR) and look for the kernel in it',
  zip: 'this is a zip archive: unpack it and look for the kernel in it',
  pe: 'this is a program for Windows or EFI: take the ELF file or bzImage that it was made from',
  qcow2: `${AS_DISK} (domu run KERNEL --disk FILE,qcow2,xvda,w)`,
  ext: `${AS_DISK} (domu run KERNEL --disk FILE,raw,xvda,w, or domu run guest-kernel --rootfs FILE)`,
  iso9660: `${AS_DISK} (domu run KERNEL --disk FILE,,hdc,devtype=cdrom)`,
  'boot-sector': `${AS_DISK} (domu run KERNEL --disk FILE,raw,xvda,w; GRUB boots what is on it: domu fetch grub)`,
  data: `nothing here knows this kind of file; ${KERNEL} or an xl.cfg file`,
};
const LINUX_ADVICE =
  'Linux has had no 32-bit PV since 5.9: take one from 2.6.23 to 5.8 that was configured with XEN_PV and PAE (in older ones, XEN)';

/**
 * @param facts what is known about a file that cannot be booted
 * @param xen what its ELF file says to Xen
 * @returns what to do next, in one line
 */
export function adviceFor(facts: Facts, xen: XenInfo | null): string {
  const { elf } = facts;
  if (facts.packed && facts.packed.kind !== 'elf') return FOR_KIND[facts.packed.kind] ?? FOR_KIND.data ?? '';
  if (!elf) {
    if (facts.kind === 'bzimage' || facts.kind === 'compressed' || facts.kind === 'elf')
      return 'the file is damaged or not complete: copy or build it anew';
    return FOR_KIND[facts.kind] ?? '';
  }
  if (elf.type === 'relocatable') return 'link it first; modules (.ko) are loaded by their kernel';
  if (elf.bits === 64 || elf.machine !== 'i386') return otherMachine(facts, xen);
  if (elf.interpreter !== null)
    return 'this is a program, not a kernel: run it inside a guest (domu run guest-kernel --rootfs DIR)';
  if ((facts.linux !== null || isLinux(xen)) && (xen === null || xen.entry === null)) return LINUX_ADVICE;
  if (xen === null)
    return 'a kernel says that it is one for Xen in ELF notes of owner "Xen" (XEN_VERSION, LOADER, ENTRY, HYPERCALL_PAGE): build it for PV, and do not strip the notes; a program runs inside a guest instead';
  if (xen.physEntry !== null && xen.entry === null && xen.virtBase === null)
    return 'take the build for 32-bit PV; of GRUB that is grub-i386-xen.bin (domu fetch grub)';
  return 'the kernel has to be built anew: its notes ask for what cannot be';
}

function otherMachine({ elf, linux }: Facts, xen: XenInfo | null): string {
  if (elf?.interpreter)
    return 'this is a program for another processor; take one for i386, and run it inside a guest';
  const machine = "the guest's processor is an i386: take the 32-bit PV build of this kernel";
  if (xen?.guestOs === 'GRUB') return `${machine}, grub-i386-xen.bin (domu fetch grub)`;
  return linux !== null || isLinux(xen) ? `${machine}. ${LINUX_ADVICE}` : machine;
}

function isLinux(xen: XenInfo | null): boolean {
  return xen?.guestOs.startsWith('linux') === true;
}
