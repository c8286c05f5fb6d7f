// Says {"ready": true}, then reads {"do": "parse" | "check", "script": …} line by line and answers each with one line of JSON.
// The parser and the type checker are @influxdata/flux-lsp-node, InfluxData's own, compiled to WebAssembly.
'use strict'
const readline = require('node:readline')

for (const name of ['log', 'info', 'debug', 'warn', 'error']) console[name] = () => {} // standard output is the answers'

const { Lsp, parse } = require(process.argv[2])
const answer = (value) => process.stdout.write(JSON.stringify(value) + '\n')
const slim = (key, value) => (key === 'source' || key === 'comments' || key === 'metadata' ? undefined : value)

let lsp
let waiting = () => {}

async function server() {
  if (lsp) return lsp
  lsp = new Lsp()
  lsp.onMessage((text) => {
    const message = JSON.parse(text)
    if (message.method === 'textDocument/publishDiagnostics') waiting(message.params)
  })
  lsp.run()
  await lsp.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: { capabilities: {}, processId: null, rootUri: null } }))
  await lsp.send(JSON.stringify({ jsonrpc: '2.0', method: 'initialized', params: {} }))
  return lsp
}

async function diagnostics(script, number) {
  const uri = `file:///script-${number}/script.flux` // a folder each: the files of one folder are one Flux package
  const to = await server()
  const told = new Promise((resolve) => {
    waiting = (params) => { if (params.uri === uri) resolve(params.diagnostics) }
  })
  const textDocument = { uri, languageId: 'flux', version: 1, text: script }
  await to.send(JSON.stringify({ jsonrpc: '2.0', method: 'textDocument/didOpen', params: { textDocument } }))
  const found = await told
  waiting = () => {}
  await to.send(JSON.stringify({ jsonrpc: '2.0', method: 'textDocument/didClose', params: { textDocument: { uri } } }))
  return found.filter((one) => one.severity === 1)
}

async function main() {
  answer({ ready: true })
  let number = 0
  for await (const line of readline.createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    const request = JSON.parse(line)
    number += 1
    try {
      if (request.do === 'parse') process.stdout.write(JSON.stringify({ tree: parse(request.script) }, slim) + '\n')
      else answer({ faults: await diagnostics(request.script, number) })
    } catch (error) {
      answer({ crash: String(error && error.message ? error.message : error) })
      process.exit(3) // WebAssembly that has failed once is in no state to go on
    }
  }
  process.exit(0)
}

main()
