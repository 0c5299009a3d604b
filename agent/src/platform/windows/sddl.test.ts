import { expect, test } from 'vitest'
import { parseSddl, RIGHT } from './sddl.ts'

const TRUSTED_INSTALLER = 'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464'

test('the descriptor of a system drive is read', () => {
  const text = `O:${TRUSTED_INSTALLER}G:${TRUSTED_INSTALLER}D:PAI(A;;LC;;;AU)(A;OICIIO;SDGXGWGR;;;AU)(A;OICI;FA;;;SY)(A;OICI;0x1200a9;;;BU)`
  expect(parseSddl(text)).toEqual({
    owner: TRUSTED_INSTALLER,
    list: [
      { allows: true, inheritOnly: false, rights: RIGHT.appendData, sid: 'AU' },
      { allows: true, inheritOnly: true, rights: 0x13_01bf, sid: 'AU' },
      { allows: true, inheritOnly: false, rights: 0x1f_01ff, sid: 'S-1-5-18' },
      { allows: true, inheritOnly: false, rights: 0x12_00a9, sid: 'BU' },
    ],
  })
})

test.each([
  ['O:SYG:SYD:(A;;FR;;;BU)', 'S-1-5-18'],
  ['O:BAG:BAD:(A;;FR;;;BU)', 'S-1-5-32-544'],
  ['O:BAD:(A;;FR;;;BU)', 'S-1-5-32-544'],
  ['O:S-1-5-21-1-2-3-1001G:S-1-5-21-1-2-3-513D:AI(A;;FR;;;BU)', 'S-1-5-21-1-2-3-1001'],
  ['O:LGG:LGD:(A;;FR;;;BU)S:(AU;FA;FA;;;WD)', 'LG'],
])('%s belongs to %s and has one entry', (text, owner) => {
  const descriptor = parseSddl(text)
  expect(descriptor.owner).toBe(owner)
  expect(descriptor.list).toMatchObject([{ sid: 'BU', rights: 0x12_0089 }])
})

test.each([
  ['GA', 0x1f_01ff],
  ['0x10000000', 0x1f_01ff],
  ['0x80000000', 0x12_0089],
  ['0x40000000', 0x12_0116],
  ['0x02000000', 0x1f_01ff],
  ['DCLCRPCR', RIGHT.writeData | RIGHT.appendData | RIGHT.writeExtended | RIGHT.writeAttributes],
  ['SDWDWO', RIGHT.delete | RIGHT.writeList | RIGHT.writeOwner],
  ['1245631', 0x13_01bf],
  ['0100', RIGHT.deleteChild],
  ['', 0],
  ['ZZ', 0x1f_01ff],
  ['F', 0x1f_01ff],
])('rights %j', (text, rights) => {
  expect(parseSddl(`O:SYD:(A;;${text};;;BU)`).list?.[0]?.rights).toBe(rights)
})

test('a denial is no permission; whatever else is not known counts as one', () => {
  const types = ['A', 'D', 'OA', 'OD', 'XA', 'XD', 'QQ']
  const text = `O:SYD:${types.map((type) => `(${type};;FA;;;BU)`).join('')}`
  expect(parseSddl(text).list?.map(({ allows }) => allows)).toEqual([
    true,
    false,
    true,
    false,
    true,
    false,
    true,
  ])
})

test('a condition with brackets belongs to its entry', () => {
  const text =
    'O:SYD:(XA;;FA;;;BU;(@User.Title=="D:" && (Member_of {SID(BA)})))(A;;FR;;;AU)S:NO_ACCESS_CONTROL'
  expect(parseSddl(text).list).toMatchObject([{ sid: 'BU' }, { sid: 'AU' }])
})

test('an empty list lets nobody in, a missing one everybody', () => {
  expect(parseSddl('O:SYG:SYD:P').list).toEqual([])
  expect(parseSddl('O:SYG:SYD:').list).toEqual([])
  expect(parseSddl('O:SYG:SYD:NO_ACCESS_CONTROL').list).toBeUndefined()
  expect(parseSddl('O:SYG:SY').list).toBeUndefined()
})

test.each([
  ['', 'owner'],
  ['D:(A;;FA;;;SY)', 'owner'],
  ['O:everybodyD:(A;;FA;;;SY)', 'owner'],
  ['O:SYD:(A;;FA;;;SY', 'does not end'],
  ['O:SYD:(A;;FA)', 'not known here'],
  ['O:SYD:(A;;FA;;;somebody)', 'not known here'],
])('%j is refused', (text, message) => {
  expect(() => parseSddl(text)).toThrow(message)
})
