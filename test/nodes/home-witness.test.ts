import { describe, expect, test } from 'vitest'
import { HomeWitness, longestSilence } from './home-witness.ts'

/** Lines as `home-writer.py` writes them. */
const line = (number: number, boot: string, found = number - 1): string =>
  `${number} ${boot} node-${boot} ${number * 100} ${found}\n`
const judge = (...texts: string[]): string[] => {
  const witness = new HomeWitness(() => '/nowhere')
  return texts.flatMap((text) => witness.judge(text))
}

describe('the witness of a home', () => {
  test('has nothing to say of one writer after the other', () => {
    const first = line(1, 'a') + line(2, 'a')
    expect(judge('', first, first + line(3, 'b') + line(4, 'b'))).toEqual([])
  })

  test('waits for the end of a line that is being written', () => {
    const half = line(1, 'a') + '2 a nod'
    expect(judge(half, line(1, 'a') + line(2, 'a'))).toEqual([])
  })

  test.each<[string, string, string]>([
    ['a boot that writes after a newer one', line(1, 'a') + line(2, 'b') + line(3, 'a'), 'after a newer one'],
    [
      'two writers that count each for itself',
      line(1, 'a') + line(2, 'a') + line(2, 'b', 1),
      'where 3 comes',
    ],
    ['a writer that finds what is not its own', line(1, 'a') + line(2, 'a', 7), 'has found 7'],
    ['a number that is left out', line(1, 'a') + line(3, 'a', 2), 'where 2 comes next'],
    ['an older state of the home', line(1, 'a') + line(2, 'a') + line(1, 'b', 0), 'where 3 comes next'],
    ['a torn line', `${line(1, 'a')}2 a\n`, 'torn'],
  ])('tells of %s', (_, text, words) => {
    expect(judge(text).join('\n')).toContain(words)
  })

  test('tells of what was there and is not any more', () => {
    const both = line(1, 'a') + line(2, 'a')
    expect(judge(both, line(1, 'a'))).toEqual([expect.stringContaining('is gone')])
    expect(judge(both, '')).toEqual([expect.stringContaining('is gone')])
    expect(judge(both, both.replace('node-a', 'node-x'))).toEqual([expect.stringContaining('or another')])
  })

  test('knows how long nobody wrote', () => {
    const witness = new HomeWitness(() => '/nowhere')
    witness.judge(line(1, 'a') + line(2, 'a') + line(9, 'b', 2))
    expect(longestSilence(witness.entries, 0, 1_000)).toBe(700)
    expect(longestSilence(witness.entries, 150, 400)).toBe(200)
    expect(longestSilence([], 100, 400)).toBe(300)
  })
})
