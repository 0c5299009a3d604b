import { flag, integer, oneOf, secret, text } from '@ostler/kit/config.ts'

/**
 * Keys of signing in: QVD's names where QVD has them (compatibility page 6.3). A tenant may have its own value of
 * each but the limits, which guard the whole node.
 */
export const AUTH_OPTIONS = {
  'l7r.auth.plugins.head': text('plugins asked first for every tenant, by commas', ''),
  'l7r.auth.plugins': text('plugins of a tenant, by commas', ''),
  'l7r.auth.plugins.tail': text('plugins asked last for every tenant, by commas', 'default'),
  'path.l7r.auth.plugins': text('folder of plugins of your own', '/etc/ostler/auth'),
  'l7r.auth.timeout': integer(
    'seconds within which a plugin decides, its wait for a turn included',
    30,
    1,
    120,
  ),
  'l7r.auth.limit.pair': integer(
    'wrong sign-ins of one user from one address before waiting; 0: any',
    5,
    0,
    1_000,
  ),
  'l7r.auth.limit.address': integer('wrong sign-ins from one address before waiting; 0: any', 60, 0, 100_000),
  'l7r.auth.limit.user': integer(
    'wrong sign-ins of one user from anywhere before waiting; 0: any',
    40,
    0,
    100_000,
  ),
  'model.user.login.case-sensitive': flag('keep the case of logins', false),

  'l7r.auth.plugin.default.salt': text('salt of password hashes that come from QVD', 'qvd1234'),
  'l7r.auth.plugin.default.separators': text('characters between login and tenant', '@#'),
  'l7r.auth.plugin.default.tenant': text('tenant of logins without one', 'default'),

  'auth.ldap.host': text('directories by commas or blanks: ldap:// or ldaps://, asked in this order', ''),
  'auth.ldap.base': text('where users are searched', ''),
  'auth.ldap.filter': text('finds a user; %u is the login', '(uid=%u)'),
  'auth.ldap.scope': oneOf('depth of the search', ['base', 'one', 'sub'], 'base'),
  'auth.ldap.deref': oneOf('following of aliases', ['never', 'search', 'find', 'always'], 'never'),
  'auth.ldap.binddn': text('who searches; %u is the login; empty: nobody in particular', ''),
  'auth.ldap.bindpass': secret('password of who searches; empty with a binddn: the password of the user', ''),
  'auth.ldap.userbindpattern': text('name to bind as without a search; %u is the login', ''),
  'auth.ldap.starttls': flag('encrypt ldap:// before anything is said', false),
  'auth.ldap.ca': text('file with the certificates that the directory is trusted by; empty: the system', ''),
  'auth.ldap.timeout': integer('seconds that one directory may take', 5, 1, 60),
  'auth.ldap.groups': text("attribute with the names or DNs of a user's groups; empty: none", 'memberOf'),
  'auth.ldap.group.base': text('where groups are searched; empty: nowhere', ''),
  'auth.ldap.group.filter': text(
    'finds the groups of a user; %u is the login, %d the DN, %s the SID of the primary group',
    '(|(memberUid=%u)(member=%d)(uniqueMember=%d))',
  ),
  'auth.ldap.racf_allowregex': text('refusals of the directory that count as success', ''),
  'auth.ldap.name.normalize': flag('the uid of the entry is the login from then on', false),
  'auth.ldap.normalize.name': flag('the same under its other name', false),
  'auth.ldap.home.set': flag('homeDirectory of the entry is the home', false),

  'auth.auto.osf_id': integer(
    'flavour of the desktop that a first sign-in makes; 0: none',
    0,
    0,
    2 ** 31 - 1,
  ),
  'auth.auto.di_tag': text('tag of its disk image', 'default'),
  'auth.auto.max_vms': integer('numbers tried for its name', 5, 1, 1_000),

  'l7r.auth.plugin.totp.token_size': integer('digits of a code', 6, 6, 10),
  'l7r.auth.plugin.totp.interval': integer('seconds that a code stands', 30, 10, 300),
  'l7r.auth.plugin.totp.t0': integer('when counting began, in seconds since 1970', 0, 0, 2 ** 31 - 1),
  'l7r.auth.plugin.totp.leeway': integer('older codes that still count', 1, 0, 10),
  'l7r.auth.plugin.totp.leeway_before': integer('codes ahead of time that count', 0, 0, 10),

  'l7r.auth.plugin.certificate.login': oneOf(
    'what in a client certificate is the login',
    ['commonname', 'mail', 'localpart'],
    'commonname',
  ),

  'l7r.auth.oidc.issuer': text('OpenID provider for the portal, https://…; empty: none', ''),
  'l7r.auth.oidc.client_id': text('name under which the provider knows this service', ''),
  'l7r.auth.oidc.client_secret': secret('its secret; empty for a public client', ''),
  'l7r.auth.oidc.scope': text('what is asked of the provider, by spaces', 'openid profile email groups'),
  'l7r.auth.oidc.login_claim': text('claim that holds the login', 'preferred_username'),
  'l7r.auth.oidc.login_domain': text(
    'what must stand behind the @ of that claim and is cut off; empty: no @',
    '',
  ),
  'l7r.auth.oidc.groups_claim': text('claim that holds the names of groups', 'groups'),
  'l7r.auth.oidc.tenant_claim': text('claim that names the tenant; empty: the default tenant', ''),
  'l7r.auth.oidc.redirect_url': text(
    'where the provider sends users back; empty: the address that they asked',
    '',
  ),
  'l7r.auth.oidc.label': text('the provider, as the button at the portal names it', 'your organisation'),
  'l7r.auth.oidc.ca': text(
    'file with the certificates that the provider is trusted by; empty: the system',
    '',
  ),
} as const
