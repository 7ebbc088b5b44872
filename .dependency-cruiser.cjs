// Who may import whom. Imports only point down this table: a layer may import itself and the layers it lists.
// `types` lists layers it may import types from, but no values.
const layers = {
  errors: { path: '^src/errors/' },
  config: { path: '^src/config/', imports: ['errors'] },
  protocol: { path: '^src/protocol/', imports: ['errors', 'config'] },
  nat: { path: '^src/nat/', imports: ['errors', 'config', 'protocol'] },
  net: { path: '^src/net/', imports: ['errors', 'config', 'protocol', 'nat'] },
  streams: { path: '^src/streams/', imports: ['errors', 'config', 'protocol', 'nat'], types: ['net'] },
  // values of net and streams: only in *.actors.ts, see below
  machines: { path: '^machines/', imports: ['errors', 'config', 'protocol', 'nat', 'net', 'streams'] },
  observe: { path: '^src/observe/', imports: ['errors', 'config', 'protocol', 'nat', 'machines'], types: ['net', 'streams'] },
  node: { path: '^src/node/', imports: ['errors', 'config', 'protocol', 'nat', 'net', 'streams', 'machines', 'observe'] },
  index: { path: '^src/index[.]ts$', imports: ['errors', 'config', 'protocol', 'nat', 'machines', 'observe', 'node'] },
  inspector: { path: '^src/inspector/', imports: ['errors', 'config', 'protocol', 'nat', 'net', 'streams', 'machines', 'observe', 'node', 'index'] },
  api: { path: '^src/api/', imports: ['errors', 'config', 'protocol', 'nat', 'net', 'streams', 'machines', 'observe', 'node', 'index'] },
  cli: { path: '^src/cli/', imports: ['errors', 'config', 'protocol', 'nat', 'net', 'streams', 'machines', 'observe', 'node', 'index', 'inspector', 'api'] },
}

const ours = '^(src|machines)/'
const pathsOf = names => names.map(name => layers[name].path)

const layerRules = Object.entries(layers).map(([name, { path, imports = [], types = [] }]) => ({
  name: `layer-${name}`,
  comment: `${name} may import ${[...imports, ...types.map(type => `types of ${type}`)].join(', ') || 'nothing of ours'}; imports only point down (STYLE: Layers).`,
  severity: 'error',
  from: { path },
  to: { path: ours, pathNot: [path, ...pathsOf([...imports, ...types])] },
}))

const typeRules = Object.entries(layers).flatMap(([name, { path, types = [] }]) =>
  types.map(type => ({
    name: `layer-${name}-only-types-of-${type}`,
    comment: `${name} may import types of ${type}, no values.`,
    severity: 'error',
    from: { path },
    to: { path: layers[type].path, dependencyTypesNot: ['type-only'] },
  })),
)

/** Node's modules that do input or output, or read time or chance from the machine. */
const ioModules =
  '^(node:)?(net|tls|dgram|dns|dns/promises|http|https|http2|fs|fs/promises|child_process|cluster|worker_threads|os|process|readline|readline/promises|repl|timers|timers/promises|perf_hooks|tty|stream|stream/promises|inspector|v8|vm)$'

module.exports = {
  forbidden: [
    ...layerRules,
    ...typeRules,
    {
      name: 'no-cycles',
      comment: 'Modules that import each other cannot be understood one at a time. Move what both need to a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'machines-without-node',
      comment: "Machines decide; what touches the platform is an actor's logic from src/net.",
      severity: 'error',
      from: { path: '^machines/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'only-actors-use-sockets',
      comment: 'Only machines/**/*.actors.ts imports values from src/net and src/streams; everything else there imports types.',
      severity: 'error',
      from: { path: '^machines/', pathNot: '[.]actors[.]ts$' },
      to: { path: pathsOf(['net', 'streams']), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'net-without-xstate',
      comment: 'src/net owns sockets and knows nothing of machines.',
      severity: 'error',
      from: { path: pathsOf(['errors', 'config', 'protocol', 'nat', 'net', 'streams']) },
      to: { path: '(^|/)node_modules/(xstate|@xstate)(/|$)|^(xstate|@xstate)(/|$)' },
    },
    {
      name: 'sans-io',
      comment: 'protocol and nat turn bytes and values into bytes and values; no input, output, clock or chance.',
      severity: 'error',
      from: { path: pathsOf(['errors', 'config', 'protocol', 'nat']), pathNot: '^src/protocol/endpoint[.]ts$' },
      to: { path: ioModules },
    },
    {
      name: 'endpoint-only-isip',
      comment: "src/protocol/endpoint.ts may use node:net for isIP and its family, and no other module that does input or output.",
      severity: 'error',
      from: { path: '^src/protocol/endpoint[.]ts$' },
      to: { path: ioModules, pathNot: '^(node:)?net$' },
    },
    {
      name: 'brokers-behind-net',
      comment: 'mqtt, aedes and ws are wrapped in src/net; their types stay out of everything above.',
      severity: 'error',
      from: { path: ours, pathNot: layers.net.path },
      to: { path: '(^|/)node_modules/(mqtt|mqtt-packet|aedes|ws|@types/ws)(/|$)' },
    },
    {
      name: 'product-without-tests',
      comment: 'What ships never imports tests, benches, examples or scripts.',
      severity: 'error',
      from: { path: ours },
      to: { path: '^(test|bench|examples|scripts)/' },
    },
    {
      name: 'product-without-dev-dependencies',
      comment: 'What ships imports only what package.json lists under dependencies; types excepted.',
      severity: 'error',
      from: { path: ours },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'resolvable',
      comment: 'The imported file does not exist.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|coverage)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'], mainFields: ['module', 'main', 'types'] },
  },
}
