import { defineConfig } from 'eslint/config'
import tseslint from 'typescript-eslint'

/** Typed lint: what only types can show (floating promises, unsafe values) matters more here than style. */
export default defineConfig(
  { ignores: ['build/**', 'node_modules/**', '**/*.mjs', '**/*.js'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.json', './web/tsconfig.json', './web/tsconfig.config.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      // A parameter that an interface asks for may be unused when its name says so.
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // `() => void f()` is how we say that a result does not matter.
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidOperator: true, ignoreVoidReturningFunctions: true },
      ],
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      // Node types `request.socket` as the base class, winston its transports as another package's.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // Rethrowing what another promise or an AbortSignal was rejected with.
      '@typescript-eslint/only-throw-error': ['error', { allowRethrowing: true, allowThrowingUnknown: true }],
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
    },
  },
  {
    files: ['**/*.test.ts', 'test/**'],
    rules: {
      // A stand-in for something asynchronous need not wait itself.
      '@typescript-eslint/require-await': 'off',
    },
  },
)
