import { loadSettings } from '../config/load.ts'
import { placesOf } from '../config/places.ts'

/**
 * What `ostler` does without words: it connects where the configuration says `client.auto_connect`, as QVD's client does when it is
 * started; else it shows its help.
 * @param words of the command line.
 * @throws Fault as `loadSettings`.
 */
export function wordsToRun(words: readonly string[], environment: NodeJS.ProcessEnv): readonly string[] {
  if (words.length > 0) return words
  const { values } = loadSettings(placesOf(environment), environment).config
  return values['client.auto_connect'] ? ['connect'] : words
}
