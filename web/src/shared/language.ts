import { useEffect, useState } from 'preact/hooks'

/** Languages of the pages, as they call themselves. */
export const LANGUAGES = { en: 'English', es: 'Español' } as const
export type Language = keyof typeof LANGUAGES

const KEY = 'ostler.language'
const CHANGED = 'ostler-language'

/** The one that was chosen, else the first of the browser's that we have. */
export function language(): Language {
  const wanted = [localStorage.getItem(KEY) ?? '', ...navigator.languages]
  return wanted.map((tag) => tag.slice(0, 2)).find(isKnown) ?? 'en'
}

/** Chooses a language for this browser. */
export function chooseLanguage(chosen: Language): void {
  localStorage.setItem(KEY, chosen)
  dispatchEvent(new Event(CHANGED))
}

/** The language, anew whenever another one is chosen. */
export function useLanguage(): Language {
  const [now, setNow] = useState(language)
  useEffect(() => {
    const change = (): void => setNow(language())
    addEventListener(CHANGED, change)
    return () => removeEventListener(CHANGED, change)
  }, [])
  useEffect(() => {
    document.documentElement.lang = now
  }, [now])
  return now
}

function isKnown(tag: string): tag is Language {
  return tag in LANGUAGES
}

/** English, then Spanish; `{name}` stands for a value. */
export type Phrase = readonly [string, string]

/** Makes of a table of phrases what says them in the present language. */
export function phrases<T extends Readonly<Record<string, Phrase>>>(table: T) {
  const known = new Map<keyof T, Phrase>(Object.entries(table))
  return (key: keyof T, values: Readonly<Record<string, string | number>> = {}): string => {
    const phrase = known.get(key)?.[language() === 'es' ? 1 : 0] ?? String(key)
    return phrase.replaceAll(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
  }
}

/** A time as people here write it: ISO 8601 in, date and time out; a dash for none. */
export function timeText(iso: string | null | undefined): string {
  if (iso === null || iso === undefined || iso === '') return '–'
  return new Date(iso).toLocaleString(language(), { dateStyle: 'short', timeStyle: 'medium' })
}

/** A number as people here write it, with at most so many digits behind the point. */
export function numberText(value: number, digits = 0): string {
  return value.toLocaleString(language(), { maximumFractionDigits: digits })
}
