import { integer, oneOf, optional, path, secret, text } from '@ostler/kit/config.ts'

/** Where the database is: QVD's keys, and how a password and TLS are given. Read from the file alone. */
export const DATABASE_OPTIONS = {
  'database.host': text(
    'empty: a private PostgreSQL on this node; else name or address of a server of yours (docs/database.md)',
    '',
  ),
  'database.port': integer('port of that server', 5432, 1, 65_535),
  'database.name': text('name of the database', 'ostler'),
  'database.user': text(
    "hkd's first name at that server: it makes the roles and the database there",
    'ostler',
  ),
  'database.password': secret('its password; better in a file of its own', ''),
  'database.password_file': optional(path("file with that password, root's alone")),
  'database.sslmode': oneOf(
    'the way to that server; verify-full: TLS, its certificate is for its name; require: TLS, whoever it is',
    ['disable', 'require', 'verify-full'],
    'disable',
  ),
  'database.sslrootcert': optional(path('certificates that the server is trusted by; empty: the system')),
} as const
