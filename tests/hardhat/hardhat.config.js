// Hardhat's node as the tests start it; HARDHAT_NODE has what one of them wants otherwise, as JSON.
export default {
  paths: { artifacts: 'node_modules/.artifacts', cache: 'node_modules/.cache' },
  networks: {
    node: {
      type: 'edr-simulated',
      chainType: 'l1',
      hardfork: 'osaka', // with the cap on a transaction's gas (EIP-7825)
      ...JSON.parse(process.env.HARDHAT_NODE ?? '{}'),
    },
  },
}
