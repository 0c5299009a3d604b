import about from '../package.json' with { type: 'json' }

export const CLIENT_VERSION = about.version
/** For the manual page. */
export const RELEASED = about.released
