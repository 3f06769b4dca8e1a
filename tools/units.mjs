// The import rules of the architecture as data, and the judgement of one import. See boundaries.mjs.

// A unit is what the rules speak of: a package, or one side of it.
const hypervisorSides = ['event-channel/hypervisor', 'grant-table/hypervisor'];
const guestSides = ['event-channel/guest', 'grant-table/guest'];
const frontends = ['blkfront', 'netfront', 'console'];
const frontendImports = ['xen-abi', ...guestSides, 'xenstore/client'];

/** What each unit may import besides itself. */
const units = {
  'xen-abi': [],
  'x86-cpu': [],
  'shadow-mmu': ['x86-cpu', 'xen-abi'],
  'event-channel/hypervisor': ['xen-abi'],
  'event-channel/guest': ['xen-abi'],
  'grant-table/hypervisor': ['xen-abi'],
  'grant-table/guest': ['xen-abi'],
  netstack: [],
  usernet: ['netstack'],
  'usernet/node': ['netstack', 'usernet'],
  'xen-hypervisor': ['xen-abi', 'x86-cpu', 'shadow-mmu', ...hypervisorSides],
  'xenstore/server': ['xen-abi'],
  'xenstore/client': ['xen-abi', 'event-channel/guest'],
  backends: ['xen-abi', ...hypervisorSides, 'xenstore/server', 'netstack'],
  'backends/node': ['xen-abi', ...hypervisorSides, 'xenstore/server', 'netstack', 'backends'],
  blkfront: frontendImports,
  netfront: [...frontendImports, 'netstack'],
  console: frontendImports,
  'guest-kernel': [...frontendImports, ...frontends, 'netstack'],
  toolstack: [
    ...['xen-abi', 'x86-cpu', 'shadow-mmu', 'xen-hypervisor', 'xenstore/server', 'backends'],
    ...hypervisorSides,
  ],
  testkit: ['xen-abi', 'x86-cpu'],
};
units.runner = Object.keys(units).filter((unit) => unit !== 'testkit');

/** Units that may reach the host through Node. */
const hostUnits = ['backends/node', 'usernet/node', 'runner'];

const packageOf = (file) => file.split('/').slice(0, 2).join('/');
const isOurs = (file) => /^(packages|apps|tools|scripts)\//.test(file);
/** Code that is not part of the product: tests, their builders, benchmarks, recorders and generators. */
const isTest = (file) => /[.]test[.]ts$|\/testing[.]ts$|^[^/]+\/[^/]+\/(test|bench|tools)\//.test(file);

/** The unit that holds a file: the side if there is one, else the package. Undefined for a file outside of all units. */
function unitOf(file) {
  const [, parent, name, area, side] = file.match(/^(packages|apps)\/([^/]+)\/([^/]+)\/([^/]+)/) ?? [];
  if (parent === 'apps') return name;
  return area === 'src' && `${name}/${side}` in units ? `${name}/${side}` : name in units ? name : undefined;
}

/** What a file that is not part of the product may import: what its package may, or the side that it is in. */
function allowedToTest(file) {
  const unit = unitOf(file);
  if (unit) return units[unit];
  const [, name] = file.split('/');
  return Object.keys(units)
    .filter((side) => side.startsWith(`${name}/`))
    .flatMap((side) => units[side]);
}

/**
 * Why the file `from` may not import the file `to`, or undefined if it may. Paths start at the root of the repository;
 * `isNodeModule` says that `to` is a module of Node itself.
 */
export function objection(from, to, isNodeModule = false) {
  const unit = unitOf(from);
  const test = isTest(from);
  if (!unit && !test) return 'the importing file belongs to no unit of tools/units.mjs';
  if (isNodeModule)
    return test || hostUnits.includes(unit) ? undefined : `${unit} runs on any host: no Node modules`;
  if (!isOurs(to)) return undefined;
  if (!test && isTest(to)) return 'the product may not import its tests';
  const target = unitOf(to);
  if (target === unit && unit) return undefined;
  if (target === 'testkit') return test ? undefined : 'only tests may import testkit';
  // A test may bring both sides of its own package together.
  if (test && packageOf(from) === packageOf(to)) return undefined;
  const allowed = test ? allowedToTest(from) : units[unit];
  if (allowed.includes(target)) return undefined;
  return `${unit ?? packageOf(from)} may not import ${target ?? to} (it may import: ${allowed.join(', ') || 'nothing'})`;
}
