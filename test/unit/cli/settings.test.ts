import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseCommandLine } from '../../../src/cli/command-line.js'
import { readSettings } from '../../../src/cli/read-settings.js'
import { dialOptionsOf, nodeOptionsOf } from '../../../src/cli/settings.js'
import { generateKeyPairSync } from 'node:crypto'
import { encodePeerId } from '../../../src/protocol/peer-id.js'

const id = encodePeerId(Buffer.from(generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'))

let cwd: string
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tl-cli-'))
})
afterEach(() => rm(cwd, { recursive: true }))

const read = (args: string, env: Record<string, string> = {}) => readSettings(parseCommandLine(args.split(' ')), { env, cwd })
const config = (content: unknown, name = 'throughline.config.json') => writeFile(join(cwd, name), typeof content === 'string' ? content : JSON.stringify(content))

describe('precedence', () => {
  it('leaves everything to the library when nothing is given', async () => {
    const settings = await read('listen')
    expect(nodeOptionsOf(settings)).toEqual({})
    expect(dialOptionsOf(settings)).toEqual({})
  })

  it('puts the command line over the environment over the file', async () => {
    await config({ listenPort: 1, mode: 'sequence', timeout: '1s' })
    const settings = await read('listen --listen-port 3', { THROUGHLINE_LISTEN_PORT: '2', THROUGHLINE_MODE: 'race' })
    expect(settings).toMatchObject({ listenPort: 3, mode: 'race', timeoutMs: 1_000 })
  })

  it('replaces a list as a whole', async () => {
    await config({ mqtt: ['mqtt://a', 'mqtt://b'] })
    expect((await read('listen --mqtt ws://c/mqtt')).mqtt).toEqual(['ws://c/mqtt'])
    expect((await read('listen --mqtt none')).mqtt).toEqual([])
    expect((await read('listen')).mqtt).toEqual(['mqtt://a', 'mqtt://b'])
  })

  it('takes the file that --config or THROUGHLINE_CONFIG names instead of the one in the folder', async () => {
    await config({ name: 'here' })
    await config({ name: 'there' }, 'other.json')
    expect((await read('listen')).name).toBe('here')
    expect((await read('listen --config other.json')).name).toBe('there')
    expect((await read('listen', { THROUGHLINE_CONFIG: 'other.json' })).name).toBe('there')
  })

  it('reads a JavaScript file', async () => {
    await writeFile(join(cwd, 'package.json'), '{"type":"module"}')
    await config('export default { interfaces: ["eth0"], portMapping: false, stun: [] }', 'throughline.config.js')
    expect(await read('listen')).toMatchObject({ interfaces: ['eth0'], portMapping: false, stun: [] })
  })

  it('takes paths in a file as places beside it, and the names of the command line as keys', async () => {
    await config({ identity: 'key.pem', 'listen-port': 5, interface: 'lo', timeoutMs: 250, noPortMapping: true })
    expect(await read('listen')).toMatchObject({ identity: join(cwd, 'key.pem'), listenPort: 5, interfaces: ['lo'], timeoutMs: 250, portMapping: false })
  })

  it('takes no option of a single command from file or environment', async () => {
    await config({ exec: 'rm' })
    await expect(read('listen')).rejects.toMatchObject({ code: 'ERR_CONFIG' })
  })

  it('ignores empty and foreign variables', async () => {
    expect(await read('listen', { THROUGHLINE_MQTT: '', THROUGHLINE_TEST_CLOCK_OFFSET_MS: '5', THROUGHLINE_NO_PORT_MAPPING: '1' })).toEqual({ portMapping: false })
  })
})

describe('values', () => {
  it('reads every kind', async () => {
    const settings = await read(
      `listen --allow ${id} --strategies reverse,direct --timeout 1.5m --birthday off --stun s:1,[::1]:2 --ntp t --ntp [::1]:123 --turn turn:u:p,q@h:3?transport=tcp,turns:u:p@h:4 --forward LocalHost:22,[::1]:80 --no-port-mapping`,
    )
    expect(settings).toMatchObject({
      allow: [id],
      strategies: ['reverse', 'direct'],
      timeoutMs: 90_000,
      birthday: 'off',
      stun: ['s:1', '[::1]:2'],
      ntp: ['t', '[::1]:123'],
      turn: ['turn:u:p,q@h:3?transport=tcp', 'turns:u:p@h:4'],
      forward: [
        { host: 'localhost', port: 22 },
        { host: '::1', port: 80 },
      ],
      portMapping: false,
    })
    expect((await read('listen --allow any')).allow).toBe('any')
  })

  it.each([
    ['listen --timeout 30', 'ERR_USAGE', /--timeout: "30" is not a time/],
    ['listen --timeout 0s', 'ERR_USAGE', /--timeout/],
    ['listen --listen-port 65536', 'ERR_USAGE', /--listen-port: "65536" is not a port/],
    ['listen --mode fast', 'ERR_USAGE', /--mode: "fast" is not one of race, sequence/],
    ['listen --strategies direct,teleport', 'ERR_STRATEGY_UNKNOWN', /"teleport" is unknown; there are direct, reverse/],
    ['listen --mqtt http://a', 'ERR_BROKER_URL', /--mqtt/],
    ['listen --mqtt none,mqtt://a', 'ERR_BROKER_URL', /--mqtt/],
    ['listen --stun host', 'ERR_SERVER_URL', /--stun: "host" is not HOST:PORT/],
    ['listen --turn turn:h:1', 'ERR_SERVER_URL', /--turn/],
    ['listen --ntp a:b', 'ERR_SERVER_URL', /--ntp/],
    ['listen --allow tl1abc', 'ERR_USAGE', /that is an address/],
    ['listen --allow xyz', 'ERR_USAGE', /--allow: "xyz" is no id/],
    [`listen --allow any,${id}`, 'ERR_USAGE', /stands alone/],
    ['listen --forward host', 'ERR_USAGE', /--forward: "host" is not HOST:PORT/],
    ['ping tl1a -c many', 'ERR_USAGE', /-c: "many"/],
    [`connect a --protocol ${'x'.repeat(256)}`, 'ERR_PROTOCOL_NAME', /255 bytes/],
  ])('refuses `%s`', async (args, code, message) => {
    await expect(read(args)).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  })

  it('names the environment variable of a wrong value', async () => {
    await expect(read('listen', { THROUGHLINE_MODE: 'x' })).rejects.toThrow('environment variable THROUGHLINE_MODE: "x" is not one of')
  })

  it.each([
    [{ mode: 'x' }, /"mode" in .*throughline\.config\.json: "x" is not one of/],
    [{ listenport: 1 }, /unknown key "listenport", the nearest is "listenPort"/],
    [{ listenPort: [1] }, /"listenPort" in .*: the value is of the wrong kind/],
    [{ json: 'yes' }, /"json" in .*: the value is of the wrong kind/],
    ['{', /throughline\.config\.json cannot be read/],
    ['[]', /holds no object/],
  ])('names file and key of the wrong setting %j', async (content, message) => {
    await config(content)
    await expect(read('listen')).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(message) })
  })

  it('says that a named file is missing', async () => {
    await expect(read('listen --config nowhere.json')).rejects.toMatchObject({ code: 'ERR_CONFIG' })
  })

  it.each(['--mqtt mqt://user:hunter2@host', '--mqtt mqtt://user:hunter2', '--turn turn:user:hunter2@host?transport=dccp', '--turn turn:user:hunter2', '--stun user:hunter2@h:1'])('keeps the password of `%s` to itself', async args => {
    const error: unknown = await read(`listen ${args}`).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(Error)
    expect(String(error)).not.toContain('hunter2')
  })
})
