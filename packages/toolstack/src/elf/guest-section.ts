import { cString } from './elf.ts';
import { parseFeatures } from './features.ts';
import { emptyXenInfo, type XenInfo } from './xen-info.ts';

const PAGE_BYTES = 4096;

/**
 * Parses the legacy `__xen_guest` section: "KEY=value,KEY=value,…", the way kernels described themselves before Xen had
 * ELF notes. HYPERCALL_PAGE is a page number relative to VIRT_BASE, unlike the note of the same name.
 * @param bytes contents of the section; text up to the first NUL
 * @returns what was said; unknown keys are skipped
 * Source: xen/common/libelf/libelf-dominfo.c, elf_xen_parse_guest_info
 */
export function parseGuestSection(bytes: Uint8Array): XenInfo {
  const info = emptyXenInfo('__xen_guest');
  let hypercallPfn: number | null = null;
  for (const item of cString(bytes).split(',')) {
    const equals = item.indexOf('=');
    const key = equals < 0 ? item : item.slice(0, equals);
    const value = equals < 0 ? '' : item.slice(equals + 1);
    if (key === 'HYPERCALL_PAGE') hypercallPfn = parseCNumber(value);
    else applyPair(info, key, value);
  }
  if (hypercallPfn !== null) info.hypercallPage = (info.virtBase ?? 0) + hypercallPfn * PAGE_BYTES;
  return info;
}

function applyPair(info: XenInfo, key: string, value: string): void {
  switch (key) {
    case 'LOADER':
      info.loader = value;
      break;
    case 'GUEST_OS':
      info.guestOs = value;
      break;
    case 'GUEST_VER':
      info.guestVersion = value;
      break;
    case 'XEN_VER':
      info.xenVersion = value;
      break;
    case 'PAE':
      if (value === 'yes[extended-cr3]') info.pae = 'extended-cr3';
      else if (value.startsWith('yes')) info.pae = 'yes';
      break;
    case 'BSD_SYMTAB':
      info.bsdSymtab = true;
      break;
    case 'VIRT_BASE':
      info.virtBase = parseCNumber(value);
      break;
    case 'VIRT_ENTRY':
      info.entry = parseCNumber(value);
      break;
    case 'ELF_PADDR_OFFSET':
      info.paddrOffset = parseCNumber(value);
      break;
    case 'FEATURES':
      addFeatures(info, value);
      break;
  }
}

/** Adds a FEATURES string to what is already known. */
export function addFeatures(info: XenInfo, text: string): void {
  const features = parseFeatures(text);
  if (!features.ok) {
    info.unknownRequired.push(features.error);
    return;
  }
  info.features = {
    supported: (info.features.supported | features.value.supported) >>> 0,
    required: (info.features.required | features.value.required) >>> 0,
  };
}

/** A number as C's strtoull reads it with base 0: 0x hexadecimal, 0 octal, else decimal; what follows is ignored. */
function parseCNumber(text: string): number {
  const match = /^\s*(?:0[xX]([0-9a-fA-F]+)|0([0-7]+)|([0-9]+))/.exec(text);
  if (!match) return 0;
  if (match[1] !== undefined) return Number.parseInt(match[1], 16);
  if (match[2] !== undefined) return Number.parseInt(match[2], 8);
  return Number.parseInt(match[3], 10);
}
