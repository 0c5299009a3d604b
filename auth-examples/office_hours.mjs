// Refuses sign-ins outside office hours. It lets nobody in: that is left to the plugins behind it.
//
//   l7r.auth.plugins.head = office_hours
//   l7r.auth.plugin.office_hours.from = 08:00
//   l7r.auth.plugin.office_hours.to = 18:00
//   l7r.auth.plugin.office_hours.days = Mon,Tue,Wed,Thu,Fri
//   l7r.auth.plugin.office_hours.timezone = Europe/Madrid        (the node's, when it is not set)
//
// Whoever is in stays in, and tokens are not looked at.

export default function officeHours({ settings }) {
  const from = timeOf(settings.from ?? '08:00')
  const to = timeOf(settings.to ?? '18:00')
  const days = (settings.days ?? 'Mon,Tue,Wed,Thu,Fri').split(',').map((day) => day.trim())
  // A time zone that does not exist throws here: then nobody gets in, and the log says why.
  const clock = new Intl.DateTimeFormat('en-GB', {
    timeZone: settings.timezone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
  })

  function isOpen(now) {
    const parts = Object.fromEntries(clock.formatToParts(now).map(({ type, value }) => [type, value]))
    const time = `${parts.hour}:${parts.minute}`
    return days.includes(parts.weekday) && time >= from && time < to
  }

  return {
    authenticate: async () =>
      isOpen(new Date()) ? { kind: 'abstain' } : { kind: 'reject', reason: 'outside office hours' },
  }
}

function timeOf(text) {
  if (!/^([01][0-9]|2[0-4]):[0-5][0-9]$/.test(text)) throw new Error(`${text} is no time such as 08:00`)
  return text
}
