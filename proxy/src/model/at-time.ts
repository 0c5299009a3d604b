import { Fault } from '@ostler/contract/fault.ts'

/** Longest text that is looked at. */
const MAX_TEXT = 100
/** Further ahead nobody plans. It also keeps sums within what a calendar can hold. */
const MAX_YEARS_AHEAD = 100

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const LONG_MONTHS =
  'january february march april may june july august september october november december'.split(' ')
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const LONG_DAYS = 'sunday monday tuesday wednesday thursday friday saturday'.split(' ')
const PERIODS = ['minute', 'hour', 'day', 'week', 'month', 'year'] as const
const NAMED_HOURS: Readonly<Record<string, number>> = { midnight: 0, noon: 12, teatime: 16 }

type Period = (typeof PERIODS)[number]

interface Clock {
  readonly hour: number
  readonly minute: number
  readonly utc: boolean
}
interface Day {
  readonly year: number
  /** 0 to 11, as in `Date`. */
  readonly month: number
  readonly day: number
}
/** How a day was named, since what has gone by already is understood by it. */
type Dated =
  | { readonly kind: 'day'; readonly day: Day }
  | { readonly kind: 'yearless'; readonly month: number; readonly day: number }
  | { readonly kind: 'weekday'; readonly weekday: number }
  | { readonly kind: 'next'; readonly period: Period }

/** A moment, and how much later it is meant when it has gone by: an hour without a day, a day without a year. */
interface Named {
  readonly at: Date
  readonly againAfter?: 'day' | 'year'
}

/**
 * Reads a point in time as `at` understands it (`now`, `NEXT SAT`, `noon tomorrow`, `4pm + 3 days`, `23:30 24.12.2026`),
 * or in ISO 8601. QVD takes such words for the expiry of disk images (its manual, "Setting expiration limits").
 *
 * Unlike `at` it refuses what does not exist (30 February) and what has gone by, instead of taking another day; and it
 * takes the day before the time as well (`tomorrow noon`).
 *
 * @param now the present; days and hours are those of this process' time zone.
 * @returns a whole minute, not before the present one; ISO 8601 may give seconds.
 * @throws Fault `time.invalid` with what is wrong.
 */
export function parseAtTime(text: string, now: Date): Date {
  const refuse = (reason: string): never => {
    throw new Fault('time.invalid', { text: text.slice(0, MAX_TEXT), reason })
  }
  if (text.length > MAX_TEXT) refuse('it is too long')
  const thisMinute = new Date(now)
  thisMinute.setSeconds(0, 0)
  const at = readIso(text) ?? new Reader(text, thisMinute, refuse).read()
  if (Number.isNaN(at.getTime())) refuse('there is no such day')
  if (at < thisMinute) refuse(`that has gone by: ${local(at)}`)
  if (at.getFullYear() > now.getFullYear() + MAX_YEARS_AHEAD) refuse('that is too far ahead')
  return at
}

/** An invalid `Date` for a day that does not exist; `undefined` for what is not ISO 8601. */
function readIso(text: string): Date | undefined {
  const parts: readonly (string | undefined)[] | null =
    /^\s*(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d))?(Z|[+-]\d\d:?\d\d)?\s*$/i.exec(text)
  if (parts === null) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts
    .slice(1, 7)
    .map((part) => Number(part ?? 0))
  if (!exists({ year, month: month - 1, day }) || hour > 23 || minute > 59 || second > 59)
    return new Date(NaN)
  const zone = parts[7]?.toUpperCase()
  if (zone === undefined) return new Date(year, month - 1, day, hour, minute, second)
  const [, sign, hours = 0, minutes = 0] = /^([+-])(\d\d):?(\d\d)$/.exec(zone) ?? []
  const ahead = (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes))
  return new Date(Date.UTC(year, month - 1, day, hour, minute - ahead, second))
}

/** Reads one text from left to right. */
class Reader {
  #rest: string
  readonly #now: Date
  readonly #refuse: (reason: string) => never

  constructor(text: string, now: Date, refuse: (reason: string) => never) {
    this.#rest = text.trim().toLowerCase()
    this.#now = now
    this.#refuse = refuse
  }

  read(): Date {
    if (this.#rest === '') this.#refuse('it is empty')
    let named: Named = { at: this.#now }
    if (this.#word('now') === undefined) {
      let clock = this.#clock()
      const dated = this.#day()
      if (dated !== undefined) clock ??= this.#clock()
      if (clock === undefined && dated === undefined)
        this.#refuse(`'${this.#rest}' is neither a time nor a day`)
      named = this.#meet(clock, dated)
    }
    const at = this.#shift(named.at)
    if (this.#rest !== '') this.#refuse(`'${this.#rest}' was not expected`)
    const { againAfter } = named
    const gone = againAfter === 'day' ? at <= this.#now : isEarlierDay(at, this.#now)
    return againAfter !== undefined && gone ? plus(at, 1, againAfter) : at
  }

  /** Takes what matches at the front, with the blanks behind it. */
  #take(pattern: RegExp): readonly (string | undefined)[] | undefined {
    const found = pattern.exec(this.#rest)
    if (found === null) return undefined
    this.#rest = this.#rest.slice(found[0].length).trimStart()
    return found
  }

  #word(word: string): string | undefined {
    return this.#take(new RegExp(`^${word}(?![a-z])`)) && word
  }

  #oneOf<W extends string>(words: readonly W[], plural = ''): W | undefined {
    return words.find((word) => this.#take(new RegExp(`^${word}${plural}(?![a-z])`)))
  }

  #clock(): Clock | undefined {
    const base = this.#clockFace()
    return base && { ...base, utc: this.#word('utc') !== undefined }
  }

  #clockFace(): { hour: number; minute: number } | undefined {
    const named = this.#oneOf(Object.keys(NAMED_HOURS))
    if (named !== undefined) return { hour: NAMED_HOURS[named] ?? 0, minute: 0 }
    const four = this.#take(/^(\d\d)(\d\d)(?![\d./:-])/)
    if (four !== undefined) return this.#face(four[1], four[2])
    const parted = this.#take(/^(\d{1,2})[:'h,.](\d\d)(?![\d.])\s*(am|pm)?(?![a-z])/)
    if (parted !== undefined) return this.#face(parted[1], parted[2], parted[3])
    const hour = this.#take(/^(\d{1,2})\s*(am|pm)(?![a-z])/)
    return hour && this.#face(hour[1], '0', hour[2])
  }

  #face(hours = '', minutes = '', half?: string): { hour: number; minute: number } {
    const [hour, minute] = [Number(hours), Number(minutes)]
    if (minute > 59) this.#refuse(`an hour has no minute ${minutes}`)
    if (half === undefined) {
      if (hour > 24 || (hour === 24 && minute > 0)) this.#refuse(`a day has no hour ${hours}`)
      return { hour, minute }
    }
    if (hour > 12) this.#refuse(`there is no ${hours}${half}`)
    return { hour: (hour % 12) + (half === 'pm' ? 12 : 0), minute }
  }

  #day(): Dated | undefined {
    if (this.#word('today') !== undefined) return { kind: 'day', day: dayOf(this.#now) }
    if (this.#word('tomorrow') !== undefined) return { kind: 'day', day: dayOf(this.#now, 1) }
    const weekday = this.#weekday()
    if (weekday !== undefined) return { kind: 'weekday', weekday }
    if (this.#word('next') !== undefined) return this.#next()
    return this.#dayByName() ?? this.#dayByNumbers()
  }

  #next(): Dated {
    const period = this.#period()
    if (period !== undefined) return { kind: 'next', period }
    const weekday =
      this.#weekday() ?? this.#refuse("after 'next' comes a day of the week, or a period such as 'week'")
    return { kind: 'weekday', weekday }
  }

  #weekday(): number | undefined {
    const day = this.#oneOf(LONG_DAYS) ?? this.#oneOf(DAYS)
    return day === undefined ? undefined : DAYS.indexOf(day.slice(0, 3))
  }

  #month(): number | undefined {
    const month = this.#oneOf(LONG_MONTHS) ?? this.#oneOf(MONTHS)
    return month === undefined ? undefined : MONTHS.indexOf(month.slice(0, 3))
  }

  #period(): Period | undefined {
    if (this.#take(/^min(?![a-z])/)) return 'minute'
    return this.#oneOf(PERIODS, 's?')
  }

  /** `jan 24`, `jan 24 2027`, `jan 24, 2027`, `24 jan`, `24 jan 2027`. */
  #dayByName(): Dated | undefined {
    const before = this.#take(/^(\d{1,2})\s*(?=[a-z])/)?.[1]
    const month = this.#month()
    if (month === undefined) {
      if (before !== undefined) this.#refuse(`'${this.#rest}' is no month`)
      return undefined
    }
    const day = before ?? this.#take(/^(\d{1,2})(?!\d)/)?.[1]
    if (day === undefined) return this.#refuse('the day of the month is missing')
    const year = this.#take(/^,?\s*(\d{4}|\d\d)(?![\d:])/)?.[1]
    if (year === undefined) return { kind: 'yearless', month, day: Number(day) }
    return this.#exact(year, month + 1, day)
  }

  /** `2026-12-24`, `26-12-24`, `24.12.2026`, `24.12.26`, `12/24/2026`, `12/24/26`, `12242026`, `122426`. */
  #dayByNumbers(): Dated | undefined {
    const iso = this.#take(/^(\d{4}|\d\d)-(\d{1,2})-(\d{1,2})(?!\d)/)
    if (iso !== undefined) return this.#exact(iso[1], Number(iso[2]), iso[3])
    const dotted = this.#take(/^(\d{1,2})\.(\d{1,2})\.(\d{4}|\d\d)(?!\d)/)
    if (dotted !== undefined) return this.#exact(dotted[3], Number(dotted[2]), dotted[1])
    const slashed = this.#take(/^(\d{1,2})\/(\d{1,2})\/(\d{4}|\d\d)(?!\d)/)
    if (slashed !== undefined) return this.#exact(slashed[3], Number(slashed[1]), slashed[2])
    const joined = this.#take(/^(\d\d)(\d\d)(\d{4}|\d\d)(?!\d)/)
    return joined && this.#exact(joined[3], Number(joined[1]), joined[2])
  }

  /** @param month from 1 */
  #exact(yearText = '', month: number, dayText = ''): Dated {
    const year = Number(yearText) + (yearText.length === 2 ? 2_000 : 0)
    const day: Day = { year, month: month - 1, day: Number(dayText) }
    if (!exists(day)) this.#refuse(`there is no day ${dayText} in month ${month} of ${year}`)
    return { kind: 'day', day }
  }

  /** The moment that time and day name together, and what is meant when the sum has gone by. */
  #meet(clock: Clock | undefined, dated: Dated | undefined): Named {
    const now = this.#now
    const face = clock ?? { hour: now.getHours(), minute: now.getMinutes(), utc: false }
    const on = ({ year, month, day }: Day): Date =>
      face.utc
        ? new Date(Date.UTC(year, month, day, face.hour, face.minute))
        : new Date(year, month, day, face.hour, face.minute)
    switch (dated?.kind) {
      case undefined:
        return { at: on(dayOf(now)), againAfter: 'day' }
      case 'day':
        return { at: on(dated.day) }
      case 'weekday': // on a Saturday `sat` is the next one
        return { at: on(dayOf(now, ((dated.weekday - now.getDay() + 6) % 7) + 1)) }
      case 'yearless': {
        const { month, day } = dated
        const year = now.getFullYear()
        const years = [year, year + 1].filter((each) => exists({ year: each, month, day }))
        if (years.length === 0) this.#refuse(`there is no day ${day} in month ${month + 1} of ${year}`)
        return { at: on({ year: years[0] ?? year, month, day }), againAfter: 'year' }
      }
      case 'next': {
        const later = plus(now, 1, dated.period)
        return { at: clock === undefined ? later : on(dayOf(later)) }
      }
    }
  }

  /** `+ 3 days`, `- 1 hour`. */
  #shift(base: Date): Date {
    const shift = this.#take(/^([+-])\s*(\d{1,5})(?!\d)/)
    if (shift === undefined) return base
    const period = this.#period()
    if (period === undefined) return this.#refuse('after the number comes a period, such as hours or days')
    return plus(base, Number(shift[2]) * (shift[1] === '-' ? -1 : 1), period)
  }
}

/** A day of this time zone, some days later. */
function dayOf(at: Date, later = 0): Day {
  const there = new Date(at.getFullYear(), at.getMonth(), at.getDate() + later, 12)
  return { year: there.getFullYear(), month: there.getMonth(), day: there.getDate() }
}

function exists({ year, month, day }: Day): boolean {
  const there = new Date(Date.UTC(year, month, day))
  return there.getUTCMonth() === month && there.getUTCDate() === day
}

function isEarlierDay(one: Date, other: Date): boolean {
  return new Date(one).setHours(0, 0, 0, 0) < new Date(other).setHours(0, 0, 0, 0)
}

/** Adds on the calendar and on the clock face, as `at` does: noon plus 24 hours is noon, also when clocks are changed. */
function plus(at: Date, count: number, period: Period): Date {
  const added = (asked: Period, times = 1): number => (period === asked ? count * times : 0)
  return new Date(
    at.getFullYear() + added('year'),
    at.getMonth() + added('month'),
    at.getDate() + added('day') + added('week', 7),
    at.getHours() + added('hour'),
    at.getMinutes() + added('minute'),
  )
}

function local(at: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}`
}
