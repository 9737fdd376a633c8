# expect: succeeded result='{"distance": 38, "path_length": 39, "visited": 400}'
# The shortest way through a grid of 20 by 20 with walls.
import heapq


def run():
    size = 20
    cost = {(x, y): 1 if (x * y) % 7 != 3 or (x + y) % 2 else 5 for x in range(size) for y in range(size)}
    best, before, heap = {(0, 0): 0}, {}, [(0, (0, 0))]
    while heap:
        distance, (x, y) = heapq.heappop(heap)
        if distance > best[x, y]:
            continue
        for step in ((x + 1, y), (x, y + 1), (x - 1, y), (x, y - 1)):
            if step in cost and distance + cost[step] < best.get(step, 10**9):
                best[step], before[step] = distance + cost[step], (x, y)
                heapq.heappush(heap, (best[step], step))
    place, path = (size - 1, size - 1), 1
    while place in before:
        place, path = before[place], path + 1
    return {"distance": best[size - 1, size - 1], "path_length": path, "visited": len(best)}
