"""A Ray cluster of two nodes on this machine, for tests: prints its address, then does what each line on stdin says.

`remove`: the second node vanishes without a word. `add`: another one joins. `head`: the head is killed. Ends with
stdin.
"""

import sys

from ray.cluster_utils import Cluster


def main() -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    nodes = [cluster.add_node(num_cpus=1)]
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)
    try:
        for line in sys.stdin:
            if line.strip() == "remove":
                cluster.remove_node(nodes.pop(), allow_graceful=False)
            elif line.strip() == "add":
                nodes.append(cluster.add_node(num_cpus=1))
            elif line.strip() == "head":
                cluster.head_node.kill_gcs_server(check_alive=False)
            print("done", flush=True)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
