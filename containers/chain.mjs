// Runs anvil, a block a second, on a state file that survives restarts; all of the chain image.
//
// Why not `anvil --state`: anvil 1.7 rewrites that file in place, so a kill in the middle leaves
// half a file; and it makes a new block 0 at each start and saves it beside the loaded one, so that
// the genesis hash, by which the others recognise the chain, is a matter of luck after two starts.
// With one birth time for all starts block 0 stays the same, but then the clock has to be set.

import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'

const HOME = process.env.CHAIN_HOME ?? '/chain'
const PORT = process.env.CHAIN_PORT ?? '8545'
const STATE = `${HOME}/state.json`
const BORN = `${HOME}/born`
const RPC = `http://127.0.0.1:${PORT}`
const BLOCK_TIME_S = 1
const LOOK_EVERY_MS = 100
const SAVING_SHARE = 0.25 // of the time, at most: a large state is saved less often

const now = () => Math.floor(Date.now() / 1000)

async function call(method, ...params) {
  const response = await fetch(RPC, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  const { result, error } = await response.json()
  if (error) throw new Error(`${method}: ${error.message}`)
  return result
}

async function write(path, content) {
  const file = await open(`${path}.new`, 'w')
  await file.writeFile(content)
  await file.sync()
  await file.close()
  await rename(`${path}.new`, path)
}

async function save() {
  const dump = await call('anvil_dumpState', false)
  await write(STATE, gunzipSync(Buffer.from(dump.slice(2), 'hex')))
}

async function listens() {
  return call('web3_clientVersion').then(
    () => true,
    () => false,
  )
}

async function mineAndSave() {
  while (!(await listens())) await sleep(LOOK_EVERY_MS)
  await call('evm_setTime', now())
  await call('evm_setIntervalMining', BLOCK_TIME_S)
  let saved
  while (!isStopping) {
    const start = Date.now()
    const latest = await call('eth_blockNumber')
    if (latest !== saved) await save()
    saved = latest
    await sleep(Math.max(LOOK_EVERY_MS, (Date.now() - start) / SAVING_SHARE))
  }
  await save()
}

if (!existsSync(BORN)) await write(BORN, `${now()}`)
const options = ['--no-mining', '--timestamp', readFileSync(BORN, 'utf8'), '--port', PORT]
options.push(...process.argv.slice(2))
if (existsSync(STATE)) options.push('--load-state', STATE)
const anvil = spawn('anvil', options, { stdio: 'inherit' })
let isStopping = false
anvil.on('exit', (code) => process.exit(isStopping ? 0 : (code ?? 1)))
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => (isStopping = true))
await mineAndSave()
anvil.kill('SIGTERM')
