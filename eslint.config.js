// Only rules that find defects or hold an agreement of the project; nothing about looks.
import { defineConfig } from 'eslint/config'
import tseslint from 'typescript-eslint'

/** Agreements that hold everywhere. */
const everywhere = [
  { selector: 'ExportDefaultDeclaration', message: 'Named exports only.' },
  { selector: 'TSEnumDeclaration', message: 'No enum: use a union of literals or an `as const` object.' },
  { selector: 'TSParameterProperty', message: 'No parameter properties: they cannot be erased.' },
]

/** What a machine or a codec must be given instead of reading it: else an attempt cannot be replayed. */
const ambient = {
  globals: ['setTimeout', 'setInterval', 'setImmediate', 'performance', 'process', 'crypto'].map(name => ({
    name,
    message: 'Time, chance and the process are passed in here (STYLE: sans-I/O, replayable machines).',
  })),
  properties: [
    { object: 'Date', property: 'now', message: 'Time is passed in here.' },
    { object: 'Math', property: 'random', message: 'Chance is passed in here.' },
  ],
  imports: [
    ...['node:crypto', 'crypto'].map(name => ({
      name,
      importNames: ['randomBytes', 'randomInt', 'randomUUID', 'randomFillSync', 'randomFill', 'webcrypto', 'generateKeyPair', 'generateKeyPairSync'],
      message: 'Chance is passed in here.',
    })),
    // which file may import it at all: .dependency-cruiser.cjs
    { name: 'node:net', allowImportNames: ['isIP', 'isIPv4', 'isIPv6'], message: 'Only isIP and its family: no sockets here.' },
  ],
  syntax: [{ selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'Time is passed in here.' }],
}

const machineSyntax = [
  {
    selector: "ExpressionStatement > CallExpression[callee.name=/^(assign|raise|sendTo|sendParent|forwardTo|enqueueActions|spawnChild|stopChild)$/]",
    message: 'A built-in action creator called as a statement does nothing: list it in `actions`, or use `enqueue`.',
  },
  {
    selector: "Property[key.name='after'] > ObjectExpression > Property[key.type='Literal'][key.raw=/^[0-9]/]",
    message: 'No number in `after`: name a delay that reads context.policy.',
  },
]

export default defineConfig(
  { ignores: ['dist/', 'coverage/', 'node_modules/', 'bench/results/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.{js,mjs,cjs,ts}'],
    plugins: { '@typescript-eslint': tseslint.plugin },
    languageOptions: { parser: tseslint.parser },
    rules: {
      'constructor-super': 'error',
      'for-direction': 'error',
      'getter-return': 'error',
      'no-async-promise-executor': 'error',
      'no-cond-assign': ['error', 'always'],
      'no-constant-binary-expression': 'error',
      'no-constant-condition': ['error', { checkLoops: false }],
      'no-debugger': 'error',
      'no-dupe-else-if': 'error',
      'no-duplicate-case': 'error',
      'no-empty': ['error', { allowEmptyCatch: true }],
      'no-empty-character-class': 'error',
      'no-fallthrough': 'error',
      'no-loss-of-precision': 'error',
      'no-self-assign': 'error',
      'no-self-compare': 'error',
      'no-sparse-arrays': 'error',
      'no-template-curly-in-string': 'error',
      'no-unreachable': 'error',
      'no-unreachable-loop': 'error',
      'no-unsafe-finally': 'error',
      'no-unsafe-optional-chaining': 'error',
      'no-unused-labels': 'error',
      'no-useless-backreference': 'error',
      'no-useless-catch': 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'eqeqeq': ['error', 'always'],
      'use-isnan': 'error',
      'valid-typeof': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'all', ignoreRestSiblings: true }],
      '@typescript-eslint/no-unused-expressions': ['error', { allowShortCircuit: true, allowTernary: true }],
    },
  },
  {
    files: ['**/*.ts'],
    ignores: ['**/fixtures/**'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      'no-restricted-syntax': ['error', ...everywhere],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      '@typescript-eslint/no-array-delete': 'error',
      '@typescript-eslint/no-base-to-string': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: true }],
      '@typescript-eslint/no-for-in-array': 'error',
      '@typescript-eslint/no-implied-eval': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-non-null-asserted-optional-chain': 'error',
      '@typescript-eslint/no-unnecessary-type-assertion': 'error',
      '@typescript-eslint/no-unsafe-unary-minus': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingAny: true, allowThrowingUnknown: true }],
      '@typescript-eslint/require-array-sort-compare': 'error',
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/use-unknown-in-catch-callback-variable': 'error',
    },
  },
  {
    files: ['machines/**/*.ts'],
    rules: {
      'no-restricted-globals': ['error', ...ambient.globals],
      'no-restricted-properties': ['error', ...ambient.properties],
      'no-restricted-syntax': ['error', ...everywhere, ...ambient.syntax, ...machineSyntax],
    },
  },
  {
    files: ['src/protocol/**/*.ts', 'src/nat/**/*.ts'],
    rules: {
      'no-restricted-imports': ['error', { paths: ambient.imports }],
      'no-restricted-globals': ['error', ...ambient.globals],
      'no-restricted-properties': ['error', ...ambient.properties],
      'no-restricted-syntax': ['error', ...everywhere, ...ambient.syntax],
    },
  },
  {
    // The tools of the house want a default export.
    files: ['*.config.{js,ts}'],
    rules: { 'no-restricted-syntax': 'off' },
  },
)
