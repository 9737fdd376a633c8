# expect: succeeded hosts=http env=SITE=http://127.0.0.1:{http} stdout='第3章 风雪夜归人 下载完成' stdout='全书完，共3章' output=小说/第1章.txt output=小说/全本.txt
# /// script
# dependencies = ["requests", "beautifulsoup4"]
# ///
import os
import re
import requests
from bs4 import BeautifulSoup

网站 = os.environ.get('SITE', 'http://www.xbiquge.example')
目录 = '/output/小说'
os.makedirs(目录, exist_ok=True)
os.chdir(目录)


def 取页面(地址):
    r = requests.get(地址, timeout=10)
    r.encoding = r.apparent_encoding if r.apparent_encoding and r.apparent_encoding.lower().startswith('gb') else 'gbk'
    return r


def 清理(正文):
    正文 = 正文.replace('\xa0', ' ').replace('请记住本站域名', '')
    return re.sub(r'\n\s*\n+', '\n', 正文).strip() + '\n'


章节 = []
下一页 = '/novel/1.html'
while True:
    页 = 取页面(网站 + 下一页)
    if 页.status_code == 404:
        break
    soup = BeautifulSoup(页.text, 'html.parser')
    标题 = soup.h1.string
    正文 = 清理(soup.find('div', id='content').get_text('\n'))
    assert '“回来了？”他问。' in 正文, 正文
    文件名 = re.search(r'第\d+章', 标题).group() + '.txt'
    with open(文件名, 'w', encoding='utf8') as f:
        f.write(标题 + '\n\n' + 正文)
    章节.append(文件名)
    print(标题, '下载完成')
    下一页 = soup.find('a', string='下一章')['href']

with open('全本.txt', 'w', encoding='gb18030') as 全本:
    for 名 in sorted(os.listdir('.')):
        if 名 != '全本.txt':
            全本.write(open(名, encoding='utf8').read())
print('全书完，共%d章' % len(章节))
