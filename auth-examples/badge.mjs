// Knows the badges of people: asks for them, tells hooks about them, and keeps the laboratory for who has one.
//
//   l7r.auth.plugins.head = badge
//   l7r.auth.plugin.badge.file = /etc/ostler/badges
//   l7r.auth.plugin.badge.desktops = lab-
//
// The file has a line for each badge, `LOGIN NUMBER FLOOR`, and is read each time. Clients share the badge that their
// reader holds as the variable BADGE (`client.auth_env.share.list.0 = BADGE`).
import { readFile } from 'node:fs/promises'

export default function badge({ settings, log }) {
  const { file = '/etc/ostler/badges', desktops = 'lab-' } = settings

  async function badgeOf(login) {
    const lines = (await readFile(file, 'utf8')).split('\n').map((line) => line.trim().split(/\s+/))
    const [, number, floor] = lines.find(([owner]) => owner === login) ?? []
    return number === undefined ? undefined : { number, floor }
  }

  return {
    // Who has a badge must hold it to the reader; whether the password is right others say.
    authenticate: async ({ login, environment }) => {
      const hers = await badgeOf(login)
      if (hers === undefined || environment.get('BADGE') === hers.number) return { kind: 'abstain' }
      log.warn('signs in without her badge', { login })
      return { kind: 'reject', reason: 'not her badge' }
    },

    // Hooks find these as arguments `badge.number 4711` and as variables OSTLER_BADGE_NUMBER=4711.
    afterSignIn: async ({ login }) => {
      const hers = await badgeOf(login)
      if (hers === undefined) return undefined
      return { 'badge.number': hers.number, 'badge.floor': hers.floor ?? '' }
    },

    // `undefined` leaves it to the next plugin, and in the end to who owns the desktop.
    mayUse: async ({ login }, desktop) => {
      if (!desktop.name.startsWith(desktops)) return undefined
      return (await badgeOf(login)) === undefined ? false : undefined
    },
  }
}
